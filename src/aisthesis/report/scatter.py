"""Predicted against human ratings, laid out once for the page and for the figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from aisthesis.report.selection import averaged_predictions, evaluated_split
from aisthesis.report.wording import estimate, rating_text

__all__ = ["Axis", "Panel", "Point", "rating_axis", "scatter_panels"]

SIDE = 220.0  # of the plotting area, in SVG units


@dataclass(frozen=True)
class Axis:
    """The range and ticks that both axes of every panel share."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Place a rating along the axis, in SVG units from its low end."""
        return round(SIDE * (value - self.low) / (self.high - self.low), 2)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Places and labels of the ticks."""
        digits = 0 if all(float(t).is_integer() for t in self.ticks) else 2
        step = float(np.diff(self.ticks).min()) if len(self.ticks) > 1 else 0.0
        return [(self.place(t), rating_text(t, step, digits)) for t in self.ticks]


@dataclass(frozen=True)
class Point:
    """One image: its ratings, their places, and what a pointer over it reads."""

    name: str
    human: float
    predicted: float
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Panel:
    """One backbone's points and its rank correlation in words."""

    label: str
    points: list[Point]
    srcc: str


def rating_axis(values: np.ndarray) -> Axis:
    """Span one axis over all finite ratings and predictions, with round ticks."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or max(abs(high) * 0.05, 0.5)
    low, high = low - margin, high + margin
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low, high)
    return Axis(low, high, tuple(float(t) for t in ticks if low <= t <= high))


def scatter_panels(
    predictions: pd.DataFrame, scores: pd.DataFrame, headline: pd.DataFrame, labels: list[str]
) -> tuple[Axis, list[Panel]]:
    """Lay out the averaged predictions of the evaluated split, one panel per backbone.

    Parameters
    ----------
    predictions, scores : pandas.DataFrame
        `predictions.csv` and `scores.csv`.
    headline : pandas.DataFrame
        One row of scores per backbone, as `headline_scores` gives it.
    labels : list of str
        The backbones, in order.

    Returns
    -------
    Axis
        Shared by both axes of all panels.
    list of Panel
        Images without a rating or with an undefined prediction are left out.
    """
    rows = averaged_predictions(predictions)
    rows = rows[rows["split"] == evaluated_split(scores)].dropna(subset=["rating", "prediction"])
    axis = rating_axis(rows[["rating", "prediction"]].to_numpy(dtype=float).ravel())
    spread = float(rows["rating"].std())
    panels = []
    for label in labels:
        own = rows[rows["backbone"] == label]
        points = [
            Point(
                str(name), y, p, axis.place(y), round(SIDE - axis.place(p), 2),
                f"{name}: rated {rating_text(y, spread)}, predicted {rating_text(p, spread)}",
            )
            for name, y, p in zip(own["image"], own["rating"], own["prediction"], strict=True)
        ]  # fmt: skip
        if points:
            panels.append(Panel(label, points, _srcc(headline, label)))
    return axis, panels


def _srcc(headline: pd.DataFrame, label: str) -> str:
    row = headline.to_dict("index").get(label, {})
    if "srcc" not in row:
        return ""
    return "SRCC " + estimate(
        row["srcc"], row.get("srcc_low", np.nan), row.get("srcc_high", np.nan)
    )
