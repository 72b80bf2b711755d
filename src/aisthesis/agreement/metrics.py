"""What each metric is, as data that tables, reports and documents read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.agreement.cross import (
    cross_emd,
    cross_spearman,
    cross_ssim,
    cross_ssim_gaussian,
    cross_top10_iou,
)
from aisthesis.agreement.linear import cosine, mse, pearson
from aisthesis.agreement.ranks import emd, spearman, top10_iou
from aisthesis.agreement.stack import MapStack
from aisthesis.agreement.structure import ssim, ssim_gaussian
from aisthesis.agreement.transport import spatial_emd
from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.parts import entry_names, is_own, own_name, part

__all__ = [
    "METRICS",
    "ORIGINAL_METRICS",
    "Metric",
    "known_metric",
    "metric",
    "metric_facts",
    "metric_table",
    "metrics_named",
]

_NO_Z_SCORES = "either map is flat or holds a value that is not finite, so it has no z-scores"


@dataclass(frozen=True)
class Metric:
    """One way to say how far two maps agree.

    Attributes
    ----------
    name, label
        For tables and for people.
    direction
        Whether more agreement means a higher or a lower value.
    low, high
        Bounds of the value on z-scored maps.
    formula
        In words, for maps a and b.
    blind_to
        What two maps may differ in without the value telling.
    undefined_when
        When the value is NaN.
    compute
        From two stacks of N maps to (N,) float64 values; the caller masks undefined maps.
    original
        One of the four of the original description.
    needs_pixels
        Computed on the pixels; otherwise on the small maps alone, exactly and far faster.
    of_cosine
        The value as a function of the cosine of the two maps, where it is one: chance levels and
        reliabilities then need no pixel either.
    cross
        From two stacks to the value of every map of one with every map of the other, (N_a, N_b),
        far faster than one by one; the caller masks undefined maps. None where there is no such
        way: chance levels are then from few images.
    disattenuates
        The correction for attenuation holds for it.
    even
        The value stays if both maps are turned over, red for blue.
    """

    name: str
    label: str
    direction: Literal["higher", "lower"]
    low: float
    high: float
    formula: str
    blind_to: str
    undefined_when: str
    compute: Callable[[MapStack, MapStack], Tensor]
    original: bool = False
    needs_pixels: bool = True
    of_cosine: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    cross: Callable[[MapStack, MapStack], Tensor] | None = None
    disattenuates: bool = False
    even: bool = False

    def __call__(self, a: MapStack, b: MapStack) -> Tensor:
        """Agreement of the maps of `a` and `b`, image by image: (N,) float64, NaN if undefined."""
        if len(a) != len(b) or a.size_px != b.size_px:
            raise RequestError(
                f"expected two stacks of as many maps on one grid, got {len(a)} maps at "
                f"{a.size_px} px and {len(b)} at {b.size_px} px; explain the same images and "
                "compare them at one size"
            )
        undefined = a.undefined | b.undefined
        return self.compute(a, b).double().masked_fill(undefined, float("nan"))


_ALL = (
    Metric(
        name="cosine",
        label="Cosine similarity",
        direction="higher",
        low=-1.0,
        high=1.0,
        formula="sum of a*b over the product of the norms of a and b",
        blind_to="the strength and the mean of each map, which z-scoring has removed",
        undefined_when=_NO_Z_SCORES,
        compute=cosine,
        needs_pixels=False,
        original=True,
        of_cosine=lambda cosines: cosines,
        disattenuates=True,
        even=True,
    ),
    Metric(
        name="ssim",
        label="Structural similarity",
        direction="higher",
        low=-1.0,
        high=1.0,
        formula=(
            "mean over uniform 7 x 7 windows of luminance times structure, sample covariance, "
            "data range from the joint minimum to the joint maximum"
        ),
        blind_to="agreement at a distance: evidence moved by more than a window counts as lost",
        undefined_when=_NO_Z_SCORES,
        compute=ssim,
        cross=cross_ssim,
        original=True,
        even=True,
    ),
    Metric(
        name="emd",
        label="Earth mover's distance of pixel values",
        direction="lower",
        low=0.0,
        high=2.0**0.5,
        formula="mean absolute difference between the sorted pixel values of a and of b",
        blind_to="place: two maps with the same histogram get 0 wherever their evidence lies",
        undefined_when=_NO_Z_SCORES,
        compute=emd,
        cross=cross_emd,
        original=True,
        even=True,
    ),
    Metric(
        name="mse",
        label="Mean squared error",
        direction="lower",
        low=0.0,
        high=4.0,
        formula="mean of (a - b)^2, which on z-scored maps is 2 (1 - cosine)",
        blind_to="all that cosine is blind to; it adds nothing to cosine",
        undefined_when=_NO_Z_SCORES,
        compute=mse,
        needs_pixels=False,
        original=True,
        of_cosine=lambda cosines: 2 * (1 - cosines),
        even=True,
    ),
    Metric(
        name="pearson",
        label="Pearson's r",
        direction="higher",
        low=-1.0,
        high=1.0,
        formula="covariance of a and b over the product of their SDs",
        blind_to="all that cosine is blind to; on z-scored maps it is the cosine",
        undefined_when=_NO_Z_SCORES,
        compute=pearson,
        needs_pixels=False,
        of_cosine=lambda cosines: cosines,
        disattenuates=True,
        even=True,
    ),
    Metric(
        name="spearman",
        label="Spearman's rho",
        direction="higher",
        low=-1.0,
        high=1.0,
        formula="Pearson's r of the pixels' ranks, ties given their average rank",
        blind_to="how strong the evidence is: only the order of the pixels counts",
        undefined_when=_NO_Z_SCORES,
        compute=spearman,
        cross=cross_spearman,
        even=True,
    ),
    Metric(
        name="top10_iou",
        label="Overlap of the top 10 %",
        direction="higher",
        low=0.0,
        high=1.0,
        formula="intersection over union of the tenth of the pixels with the highest values",
        blind_to="everything below the top tenth, negative evidence above all",
        undefined_when=_NO_Z_SCORES,
        compute=top10_iou,
        cross=cross_top10_iou,
    ),
    Metric(
        name="ssim_gaussian",
        label="Structural similarity, Gaussian window",
        direction="higher",
        low=-1.0,
        high=1.0,
        formula=(
            "mean over Gaussian windows (SD 1.5, 11 x 11) of luminance times structure, "
            "population covariance, data range from the joint minimum to the joint maximum"
        ),
        blind_to="agreement at a distance: evidence moved by more than a window counts as lost",
        undefined_when=_NO_Z_SCORES,
        compute=ssim_gaussian,
        cross=cross_ssim_gaussian,
        even=True,
    ),
    Metric(
        name="spatial_emd",
        label="Earth mover's distance in the image",
        direction="lower",
        low=0.0,
        high=1.0,
        formula=(
            "mean of the optimal-transport distances between the positive parts and between the "
            "negative parts of a and b, each of mass one, in fractions of the image's diagonal"
        ),
        blind_to="how the amount of positive evidence compares with that of negative evidence",
        undefined_when=(
            _NO_Z_SCORES + ", or has no positive or no negative part on the transport grid"
        ),
        compute=spatial_emd,
        even=True,
    ),
)

#: Every metric by its name; those of the original description come first.
METRICS: Mapping[str, Metric] = MappingProxyType({one.name: one for one in _ALL})

#: Metrics of the user's own that this process has been given, by their names in tables.
_used: dict[str, Metric] = {}

#: Names of the metrics of the original description.
ORIGINAL_METRICS: tuple[str, ...] = tuple(one.name for one in _ALL if one.original)


def metric(name: str | Metric) -> Metric:
    """Give the metric of this name: one of `METRICS`, or one of the user's own.

    Parameters
    ----------
    name : str or Metric
        Out of `METRICS`; `package.module:attribute`, whose attribute is a `Metric` of that name;
        or what an installed package declares under `aisthesis.metrics`.

    Raises
    ------
    RequestError
        If there is none; the message has the nearest names. If what is there is no metric.
    """
    if isinstance(name, Metric):
        return name if name.name in METRICS else _use(name)
    if name in METRICS:
        return METRICS[name]
    if is_own("metric", name):
        return _use(_own(name))
    if name in _used:
        return _used[name]
    likely = nearest(name, [*METRICS, *entry_names("metric")])
    remedy = f"did you mean {or_list(likely)}?" if likely else f"take {or_list(METRICS)}"
    raise RequestError(
        f"there is no agreement metric {name!r}; {remedy} (or name one of your own as "
        "`package.module:attribute`)"
    )


def known_metric(name: str) -> Metric | None:
    """Give a metric by its name in tables, unless it is none that this process knows."""
    return METRICS.get(name) or _used.get(name)


def _use(own: Metric) -> Metric:
    """Know a metric of the user's own by its name too, which is what tables hold."""
    _used[own.name] = own
    return own


def _own(name: str) -> Metric:
    found = part("metric", name)
    if not isinstance(found, Metric):
        raise RequestError(
            f"expected {name} as an aisthesis.agreement.Metric, got {type(found).__name__}"
        )
    if found.name != own_name(name) or found.name in METRICS:
        raise RequestError(
            f"the metric {name} is called {found.name!r}: give it the name of its attribute, and "
            f"none of {or_list(METRICS)}"
        )
    return found


def metric_table() -> pd.DataFrame:
    """Give what is known of each metric: one row each, columns as the attributes of `Metric`.

    Columns ``name, label, direction, low, high, formula, blind_to, undefined_when, original``.
    """
    told = ("formula", "blind_to", "undefined_when", "original")
    columns = ["name", "label", "direction", "low", "high", *told]
    rows = [{name: getattr(one, name) for name in columns} for one in METRICS.values()]
    return pd.DataFrame(rows, columns=columns)


def metrics_named(names: Iterable[str | Metric]) -> list[Metric]:
    """Give the metrics of these names, each once, in this order; at least one is expected."""
    if isinstance(names, str | Metric):
        names = [names]
    wanted = {one.name: one for one in map(metric, names)}
    if not wanted:
        raise RequestError(
            f"expected at least one agreement metric, got none; take {or_list(METRICS)}"
        )
    return list(wanted.values())


def metric_facts(names: Iterable[str]) -> dict[str, dict[str, object]]:
    """What a report has to know of metrics that are the user's own, by their names in tables."""
    told = ("label", "direction", "low", "high", "formula", "blind_to", "undefined_when")
    own = (metric(name) for name in names if name not in METRICS)
    facts = {one.name: {key: getattr(one, key) for key in told} for one in own}
    for about in facts.values():  # JSON has no infinity
        ends = {key: about[key] for key in ("low", "high")}
        about |= {key: end if np.isfinite(end) else None for key, end in ends.items()}
    return facts
