"""How the agreement of every pair is spread over images: each image a dot, nothing smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from aisthesis.report.metricnames import MetricWords, describe
from aisthesis.report.pair_words import Row, of
from aisthesis.report.wording import count, number, span

__all__ = ["Distribution", "Strip", "distribution", "distributions"]

BINS = 90  # along the axis; dots of one bin are stacked
WIDTH, HEIGHT = 1000.0, 100.0  # of a strip, in SVG units
TALLEST = 0.84  # share of the strip's height that the tallest stack may take
WIDEST_STEP = 11.0  # between two dots of a stack


@dataclass(frozen=True)
class Strip:
    """One pair of backbones.

    Attributes
    ----------
    pair : str
        Both names.
    values : numpy.ndarray
        (images,) defined values, ascending.
    x, y : numpy.ndarray
        (images,) places of the dots: along the axis 0 to 1000, around the middle 0 to 100.
    quartiles : tuple of float
        Lower quartile, median, upper quartile.
    mean, low, high, chance : float
        Mean with its 95% interval, and the level of chance; NaN where not known.
    """

    pair: str
    values: np.ndarray
    x: np.ndarray
    y: np.ndarray
    quartiles: tuple[float, float, float]
    mean: float
    low: float
    high: float
    chance: float

    @property
    def dots(self) -> str:
        """All dots as one SVG path of points."""
        places = zip(self.x.round(1), self.y.round(1), strict=True)
        return "".join(f"M{x:g} {y:g}h0" for x, y in places)

    @property
    def words(self) -> str:
        """The strip for whoever does not see it."""
        low, middle, high = self.quartiles
        interval = span(self.low, self.high)
        said = f"{self.pair}: mean {number(self.mean)}" + (f" ({interval})" if interval else "")
        said += f", median {number(middle)}, middle half {number(low)} to {number(high)}"
        said += f", all from {number(self.values[0])} to {number(self.values[-1])}"
        if np.isfinite(self.chance):
            said += f", chance {number(self.chance)}"
        return f"{said}; {count(len(self.values), 'image')}."


@dataclass(frozen=True)
class Distribution:
    """All pairs of one kind of map and metric on one axis, most alike first."""

    kind: str
    metric: str
    words: MetricWords
    low: float
    high: float
    ticks: list[float]
    strips: list[Strip]

    @property
    def has_chance(self) -> bool:
        """Whether some pair's level of chance is known."""
        return any(np.isfinite(strip.chance) for strip in self.strips)

    def across(self, value: float) -> float:
        """Place of a value along the axis, in percent."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)


def _range(values: np.ndarray, metric: str) -> tuple[float, float]:
    """Span the axis: a signed metric around zero, any other from zero where that is near."""
    least, most = float(values.min()), float(values.max())
    if describe(metric).signed:
        limit = max(abs(least), abs(most), 0.1) * 1.04
        return -min(limit, 1.04), min(limit, 1.04)
    return (0.0, most * 1.04 or 1.0) if least >= 0 else (least, most)


def _stacked(shares: np.ndarray) -> np.ndarray:
    """Stack dots that share a bin evenly around the middle: (images,) places, 0 to 100."""
    bins = np.minimum((shares * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    step = min(WIDEST_STEP, HEIGHT * TALLEST / max(int(counts.max()) - 1, 1))
    height = np.empty(len(shares))
    for k in np.unique(bins):
        own = np.flatnonzero(bins == k)
        ranks = np.arange(len(own))
        # Inner dots first: 0, +1, -1, +2, ..., so that a lone dot lies in the middle.
        offsets = np.where(ranks % 2, (ranks + 1) // 2, -(ranks // 2))
        centre = 0.0 if len(own) % 2 else 0.5
        height[own] = HEIGHT / 2 + step * (offsets - centre)
    return height


def _strip(row: Row, values: np.ndarray, low: float, high: float) -> Strip:
    ordered = np.sort(values)
    shares = np.clip((ordered - low) / (high - low), 0.0, 1.0)
    quartiles = np.quantile(ordered, [0.25, 0.5, 0.75])
    return Strip(
        f"{row['backbone_a']} – {row['backbone_b']}",
        ordered,
        shares * WIDTH,
        _stacked(shares),
        (float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
        float(ordered.mean()),
        of(row, "low"),
        of(row, "high"),
        of(row, "chance"),
    )


def distribution(
    agreement: pd.DataFrame, per_image: pd.DataFrame, kind: str, metric: str
) -> Distribution | None:
    """Lay out one kind of map and metric; None where no value is defined.

    Parameters
    ----------
    agreement, per_image : pandas.DataFrame
        `agreement.csv` and `agreement_images.csv`.
    kind, metric : str
        Which of them.
    """
    own = per_image[per_image["metric"] == metric].dropna(subset=["value"])
    values = {
        pair: rows["value"].to_numpy(dtype=float)
        for pair, rows in own[own["map"] == kind].groupby(["backbone_a", "backbone_b"], sort=False)
    }
    if not values:
        return None
    low, high = _range(own["value"].to_numpy(dtype=float), metric)
    summary = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    strips = [
        _strip(row, values[pair], low, high)
        for row in summary.to_dict("records")
        if (pair := (row["backbone_a"], row["backbone_b"])) in values
    ]
    about = describe(metric)
    strips.sort(key=lambda strip: -strip.mean if about.higher_is_alike else strip.mean)
    ticks = [
        float(t)
        for t in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
        if low <= t <= high
    ]
    return Distribution(kind, metric, about, low, high, ticks, strips)


def distributions(
    agreement: pd.DataFrame, per_image: pd.DataFrame, kinds: list[str], metrics: list[str]
) -> list[Distribution]:
    """Lay out every kind of map and metric that has values."""
    found = [distribution(agreement, per_image, kind, m) for kind in kinds for m in metrics]
    return [one for one in found if one is not None]
