"""How the agreement of every pair is spread over images: each image a dot, nothing smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.charts.axis import Axis, round_ticks
from aisthesis.report.charts.drawing import TEXT, WIDTH, Drawing
from aisthesis.report.folder.selection import spread_evenly
from aisthesis.report.words.metricnames import MetricWords, describe
from aisthesis.report.words.pair_words import Row, of
from aisthesis.report.words.wording import KIND_NAMES, capitalised, count, number, span
from aisthesis.store.tables import plain_names

__all__ = [
    "Distribution", "Strip", "distribution", "distribution_table", "distributions",
    "draw_distribution",
]  # fmt: skip

BINS = 90  # along the axis; dots of one bin are stacked
TALLEST = 0.84  # share of the strip's height that the tallest stack may take
WIDEST_STEP = 0.11  # between two dots of a stack, in parts of the strip's height
_LABEL, _STRIP, _SIDE = 16.0, 32.0, 8.0  # units


@dataclass(frozen=True)
class Strip:
    """One pair of backbones.

    Attributes
    ----------
    pair : str
        Both names.
    values : numpy.ndarray
        (dots,) defined values, ascending.
    images : numpy.ndarray
        (dots,) which image each is of: its place among the names of images with dots.
    y : numpy.ndarray
        (dots,) places of the dots across the strip, 0 to 1 around the middle.
    quartiles : tuple of float
        Lower quartile, median, upper quartile; of all images, as all that follows.
    mean, low, high, chance : float
        Mean with its 95% interval, and the level of chance; NaN where not known.
    ends : tuple of float
        Least and greatest value.
    n : int
        Images with a defined value.
    """

    pair: str
    values: np.ndarray
    images: np.ndarray
    y: np.ndarray
    quartiles: tuple[float, float, float]
    mean: float
    low: float
    high: float
    chance: float
    ends: tuple[float, float]
    n: int

    @property
    def words(self) -> str:
        """The strip for whoever does not see it."""
        low, middle, high = self.quartiles
        interval = span(self.low, self.high)
        said = f"{self.pair}: mean {number(self.mean)}" + (f" ({interval})" if interval else "")
        said += f", median {number(middle)}, middle half {number(low)} to {number(high)}"
        said += f", all from {number(self.ends[0])} to {number(self.ends[1])}"
        if np.isfinite(self.chance):
            said += f", chance {number(self.chance)}"
        return f"{said}; {count(self.n, 'image')}."


@dataclass(frozen=True)
class Distribution:
    """All pairs of one kind of map and metric on one axis, most alike first.

    `images` are the names of all images that have dots, of this kind and metric or not: all, or
    of many (`n_images`) some.
    """

    kind: str
    metric: str
    words: MetricWords
    axis: Axis
    strips: list[Strip]
    images: list[str]
    n_images: int

    @property
    def sampled(self) -> bool:
        """Whether some images have no dot."""
        return len(self.images) < self.n_images

    @property
    def has_chance(self) -> bool:
        """Whether some pair's level of chance is known."""
        return any(np.isfinite(strip.chance) for strip in self.strips)


def _range(values: np.ndarray, metric: str) -> tuple[float, float]:
    """Span the axis: a signed metric around zero, any other from zero where that is near."""
    least, most = float(values.min()), float(values.max())
    if describe(metric).signed:
        limit = max(abs(least), abs(most), 0.1) * 1.04
        return -min(limit, 1.04), min(limit, 1.04)
    return (0.0, most * 1.04 or 1.0) if least >= 0 else (least, most)


def _stacked(shares: np.ndarray) -> np.ndarray:
    """Stack dots that share a bin evenly around the middle: (images,) places, 0 to 1."""
    bins = np.minimum((shares * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    step = min(WIDEST_STEP, TALLEST / max(int(counts.max()) - 1, 1))
    height = np.empty(len(shares))
    for k in np.unique(bins):
        own = np.flatnonzero(bins == k)
        ranks = np.arange(len(own))
        # Inner dots first: 0, +1, -1, +2, ..., so that a lone dot lies in the middle.
        offsets = np.where(ranks % 2, (ranks + 1) // 2, -(ranks // 2))
        centre = 0.0 if len(own) % 2 else 0.5
        height[own] = 0.5 + step * (offsets - centre)
    return height


def _strip(row: Row, values: np.ndarray, images: np.ndarray, low: float, high: float) -> Strip:
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    dots = order[images[order] >= 0]
    shares = np.clip((values[dots] - low) / (high - low), 0.0, 1.0)
    quartiles = np.quantile(ordered, [0.25, 0.5, 0.75])
    return Strip(
        f"{row['backbone_a']} – {row['backbone_b']}",
        values[dots],
        images[dots],
        _stacked(shares),
        (float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
        float(ordered.mean()),
        of(row, "low"),
        of(row, "high"),
        of(row, "chance"),
        (float(ordered[0]), float(ordered[-1])),
        len(ordered),
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
    return _laid_out(agreement, per_image, _dotted(per_image), kind, metric)


def _dotted(per_image: pd.DataFrame) -> tuple[pd.Index, int]:
    """Names of the images that have a dot, in their order, and how many images there are."""
    names = per_image["image"].unique()
    return plain_names(names[spread_evenly(len(names))]), len(names)


def _laid_out(
    agreement: pd.DataFrame,
    per_image: pd.DataFrame,
    images: tuple[pd.Index, int],
    kind: str,
    metric: str,
) -> Distribution | None:
    """As `distribution`, once it is known which images have dots."""
    dotted, n = images
    own = per_image[per_image["metric"] == metric].dropna(subset=["value"])
    values = {
        pair: (rows["value"].to_numpy(dtype=float), dotted.get_indexer(pd.Index(rows["image"])))
        for pair, rows in own[own["map"] == kind].groupby(
            ["backbone_a", "backbone_b"], sort=False, observed=True
        )
    }
    if not values:
        return None
    low, high = _range(own["value"].to_numpy(dtype=float), metric)
    summary = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    strips = [
        _strip(row, *values[pair], low, high)
        for row in summary.to_dict("records")
        if (pair := (row["backbone_a"], row["backbone_b"])) in values
    ]
    about = describe(metric)
    strips.sort(key=lambda strip: -strip.mean if about.higher_is_alike else strip.mean)
    axis = Axis(low, high, round_ticks(low, high))
    return Distribution(kind, metric, about, axis, strips, list(map(str, dotted)), n)


def distributions(
    agreement: pd.DataFrame, per_image: pd.DataFrame, kinds: list[str], metrics: list[str]
) -> list[Distribution]:
    """Lay out every kind of map and metric that has values."""
    images = _dotted(per_image)
    found = [_laid_out(agreement, per_image, images, kind, m) for kind in kinds for m in metrics]
    return [one for one in found if one is not None]


def draw_distribution(found: Distribution) -> Drawing:
    """Draw every pair's agreement over images: each image a dot, with quartiles and mean."""
    kind = capitalised(KIND_NAMES.get(found.kind, found.kind))
    chance = ", dashed the level of chance" if found.has_chance else ""
    dots = "A dot an image,"
    if found.sampled:
        dots = f"Dots for {len(found.images):,} of {found.n_images:,} images; of all images:"
    drawing = Drawing(
        WIDTH,
        f"{kind} maps, {found.words.title}, every pair",
        (
            f"{kind} maps, {found.words.title}",
            f"{dots} bar the middle half, line the median, diamond the mean with its "
            f"95% interval{chance}.",
        ),
    )
    axis = found.axis.placed(_SIDE, WIDTH - 2 * _SIDE)
    for strip in found.strips:
        with drawing.group(strip.words):
            _draw_strip(drawing, axis, strip)
        drawing.height += _LABEL + _STRIP + 4
    drawing.below(axis, f"{found.words.title} ({found.words.direction})")
    return drawing


def _draw_strip(drawing: Drawing, axis: Axis, strip: Strip) -> None:
    y = drawing.height
    top, bottom = y + _LABEL, y + _LABEL + _STRIP
    middle = (top + bottom) / 2
    drawing.rect("hit", 0, y, drawing.width, bottom - y)
    drawing.text(_SIDE, y + 13, strip.pair, "ink", size=TEXT)
    drawing.grid(axis, top, bottom)
    low, median, high = map(axis.at, strip.quartiles)
    drawing.rect("band", low, top + 3, high - low, _STRIP - 6)
    if np.isfinite(strip.chance):
        drawing.path("dashed", f"M{axis.at(strip.chance):.2f} {top:g}V{bottom:g}")
    places = zip(strip.values, strip.y, strict=True)
    dots = "".join(f"M{axis.at(x):.1f} {top + _STRIP * y:.1f}h0" for x, y in places)
    drawing.add("path", "dots", d=dots, data_dots=" ".join(map(str, strip.images)))
    drawing.path("strong", f"M{median:.2f} {top + 3:g}v{_STRIP - 6:g}")
    if np.isfinite([strip.low, strip.high]).all():
        low, high = axis.at(strip.low), axis.at(strip.high)
        drawing.rect("s1", low, middle - 1.2, high - low, 2.4)
    drawing.mark(1, axis.at(strip.mean), middle)


def distribution_table(found: Distribution) -> pd.DataFrame:
    """Give every dot, with its pair."""
    parts = [pd.DataFrame({"pair": strip.pair, "value": strip.values}) for strip in found.strips]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "map", found.kind)
    table.insert(1, "metric", found.metric)
    return table
