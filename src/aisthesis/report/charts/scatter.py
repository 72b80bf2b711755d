"""Predicted against human ratings, a panel a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.charts.axis import Axis, axis_over
from aisthesis.report.charts.drawing import SMALL, Drawing
from aisthesis.report.folder.selection import evaluated_split, spread_evenly
from aisthesis.report.words.wording import count, estimate, rating_text

__all__ = ["Panel", "Point", "draw_panel", "prediction_table", "scatter_panels"]

_SIDE, _LEFT, _TOP = 250.0, 46.0, 8.0  # units


@dataclass(frozen=True)
class Point:
    """One image: its ratings, and what a pointer over it reads."""

    name: str
    human: float
    predicted: float
    title: str


@dataclass(frozen=True)
class Panel:
    """One backbone's points, its rank correlation in words, and how many images it is of."""

    label: str
    points: list[Point]
    srcc: str
    n: int

    @property
    def sampled(self) -> bool:
        """Whether some images have no dot."""
        return len(self.points) < self.n

    @property
    def images(self) -> str:
        """How many images have a dot, and out of how many where that is not all."""
        of = f"{len(self.points):,} of " if self.sampled else ""
        return of + count(self.n, "image")


def scatter_panels(
    averaged: pd.DataFrame, scores: pd.DataFrame, headline: pd.DataFrame, labels: list[str]
) -> tuple[Axis, list[Panel]]:
    """Lay out the averaged predictions of the evaluated split, one panel per backbone.

    Parameters
    ----------
    averaged, scores : pandas.DataFrame
        Predictions as `averaged_predictions` gives them, and `scores.csv`.
    headline : pandas.DataFrame
        One row of scores per backbone, as `headline_scores` gives it.
    labels : list of str
        The backbones, in order.

    Returns
    -------
    Axis
        Shared by both axes of all panels.
    list of Panel
        Images without a rating or with an undefined prediction are left out; of many images some
        are drawn.
    """
    rows = averaged[averaged["split"] == evaluated_split(scores)]
    rows = rows.dropna(subset=["rating", "prediction"])
    values = rows[["rating", "prediction"]].to_numpy(dtype=float).ravel()
    axis = axis_over(values.tolist(), margin=0.05, most=5)
    spread = float(rows["rating"].std())
    names = rows["image"].unique()
    drawn = rows["image"].isin(names[spread_evenly(len(names))])
    panels = []
    for label in labels:
        here = rows["backbone"] == label
        own = rows[here & drawn]
        points = [
            Point(
                str(name), y, p,
                f"{name}: rated {rating_text(y, spread)}, predicted {rating_text(p, spread)}",
            )
            for name, y, p in zip(own["image"], own["rating"], own["prediction"], strict=True)
        ]  # fmt: skip
        if points:
            panels.append(Panel(label, points, _srcc(headline, label), int(here.sum())))
    return axis, panels


def _srcc(headline: pd.DataFrame, label: str) -> str:
    row = headline.to_dict("index").get(label, {})
    if "srcc" not in row:
        return ""
    return "SRCC " + estimate(
        row["srcc"], row.get("srcc_low", np.nan), row.get("srcc_high", np.nan)
    )


def draw_panel(axis: Axis, panel: Panel) -> Drawing:
    """Draw predicted against human rating; the dashed line is perfect prediction."""
    said = f"{panel.label}: predicted against human rating of {panel.images}"
    words = f"{said}. {panel.srcc}"
    drawing = Drawing(_LEFT + _SIDE + 10, words, (panel.label, panel.srcc))
    bottom = _TOP + _SIDE
    across, up = axis.placed(_LEFT, _SIDE), axis.placed(bottom, -_SIDE)
    drawing.path("dashed", f"M{_LEFT:g} {bottom:g}L{_LEFT + _SIDE:g} {_TOP:g}")
    drawing.path("frame", f"M{_LEFT:g} {_TOP:g}V{bottom:g}h{_SIDE:g}")
    step = float(np.diff(axis.ticks).min()) if len(axis.ticks) > 1 else 0.0
    for tick in axis.ticks:
        text, x, y = rating_text(tick, step, 0), across.at(tick), up.at(tick)
        drawing.text(x, bottom + 16, text, size=SMALL, anchor="middle")
        drawing.text(_LEFT - 7, y + 4, text, size=SMALL, anchor="end")
        drawing.path("frame", f"M{x:.2f} {bottom:g}v4M{_LEFT:g} {y:.2f}h-4")
    middle = _TOP + _SIDE / 2
    drawing.text(_LEFT + _SIDE / 2, bottom + 33, "human rating", size=SMALL, anchor="middle")
    drawing.text(11, middle, "predicted", size=SMALL, anchor="middle", turned=-90.0)
    for point in panel.points:
        x, y = across.at(point.human), up.at(point.predicted)
        drawing.add("circle", "points", point.title, cx=x, cy=y, r=3.2, data_open=point.name)
    drawing.height = bottom + 40
    return drawing


def prediction_table(panels: Sequence[Panel]) -> pd.DataFrame:
    """Give the dots of every panel."""
    return pd.DataFrame([
        {"image": point.name, "backbone": panel.label, "rating": point.human,
         "prediction": point.predicted}
        for panel in panels
        for point in panel.points
    ])  # fmt: skip
