"""How well a saliency map says where people look: the field's measures, as pysaliency defines them.

Every function is of one image. A saliency map has no negative values; a fixation is a cell of its
grid, counted row by row, and counts as often as it is given. What is not defined is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SALIENCY_MEASURES",
    "SaliencyMeasure",
    "auc_judd",
    "auc_shuffled",
    "correlation",
    "kl_divergence",
    "nss",
    "similarity",
]

Map = NDArray[np.float64]
Points = NDArray[np.intp]

#: What is added to each cell before logarithms are taken.
KL_FLOOR = 1e-20


@dataclass(frozen=True)
class SaliencyMeasure:
    """What a measure is called and how it is read.

    Attributes
    ----------
    title : str
        For people.
    higher_is_better : bool
        Its direction.
    bounds : tuple of float
        Least and greatest value.
    of_points : bool
        Whether it is of single fixations, and not of their density.
    """

    title: str
    higher_is_better: bool
    bounds: tuple[float, float]
    of_points: bool


_EVERYWHERE = (-np.inf, np.inf)
SALIENCY_MEASURES: Mapping[str, SaliencyMeasure] = MappingProxyType({
    "nss": SaliencyMeasure("NSS", True, _EVERYWHERE, True),
    "auc_judd": SaliencyMeasure("AUC-Judd", True, (0.0, 1.0), True),
    "auc_shuffled": SaliencyMeasure("Shuffled AUC", True, (0.0, 1.0), True),
    "cc": SaliencyMeasure("CC", True, (-1.0, 1.0), False),
    "kl": SaliencyMeasure("KL divergence", False, (0.0, np.inf), False),
    "sim": SaliencyMeasure("SIM", True, (0.0, 1.0), False),
})  # fmt: skip


def nss(saliency: ArrayLike, points: ArrayLike) -> float:
    """Normalised scanpath saliency: mean of the z-scored map over the fixations.

    Parameters
    ----------
    saliency : array, shape (H, W)
        The map.
    points : array, shape (P,)
        Cells of the fixations, row by row.

    Returns
    -------
    float
        In SDs of the map's values; 0 is chance. NaN without fixations, and for a constant map
        (pysaliency gives 0).

    References
    ----------
    Peters, Iyer, Itti & Koch, Components of bottom-up gaze allocation in natural images, Vision
    Research 2005.
    """
    values, at = _of_points(saliency, points)
    spread = _spread(values)
    if not at.size or not spread > 0:
        return float("nan")
    return float((values[at].mean() - values.mean()) / spread)


def auc_judd(saliency: ArrayLike, points: ArrayLike, ordered: Map | None = None) -> float:
    """Area under the ROC curve between fixated values and all cells without a fixation.

    As Judd et al. have it, the curve is straight between the thresholds, which are the values at
    the fixations. So chance is .5 for many fixations and .5 + 1 / (2 (P + 1)) for few: compare it
    on the same fixations only.

    Parameters
    ----------
    saliency, points
        As of `nss`.
    ordered : array, shape (H * W,), optional
        The map's values, sorted; for many sets of fixations on one map.

    Returns
    -------
    float
        0 to 1; equals pysaliency's `AUC_Judd` without its random jitter. A constant map has .5.
        NaN without fixations, or where every cell has one.

    References
    ----------
    Judd, Ehinger, Durand & Torralba, Learning to predict where humans look, ICCV 2009.
    """
    values, at = _of_points(saliency, points)
    fixated = np.unique(at)
    n_others = values.size - fixated.size
    if not at.size or not n_others or not np.isfinite(values).all():
        return float("nan")
    every = np.sort(values) if ordered is None else ordered
    thresholds = np.sort(values[at])[::-1]
    # Cells without a fixation at or above each threshold: all of them less those with one.
    others = (
        every.size - np.searchsorted(every, thresholds, side="left")
        - _at_or_above(values[fixated], thresholds)
    )  # fmt: skip
    hits = _at_or_above(thresholds, thresholds) / at.size
    return float(
        np.trapezoid(
            np.concatenate([[0.0], hits, [1.0]]), np.concatenate([[0.0], others / n_others, [1.0]])
        )
    )


def auc_shuffled(saliency: ArrayLike, points: ArrayLike, elsewhere: ArrayLike) -> float:
    """Area under the ROC curve between this image's fixations and those on other images.

    What is common to all images, as looking at the centre, earns nothing.

    Parameters
    ----------
    saliency, points
        As of `nss`.
    elsewhere : array, shape (Q,)
        Cells of the fixations on other images.

    Returns
    -------
    float
        0 to 1, ties a half; a constant map and a map of what is common to all images have .5. NaN
        without fixations on either side.

    References
    ----------
    Tatler, Baddeley & Gilchrist, Visual correlates of fixation selection, Vision Research 2005.
    """
    values, at = _of_points(saliency, points)
    _, other = _of_points(saliency, elsewhere)
    if not at.size or not other.size or not np.isfinite(values).all():
        return float("nan")
    against = np.sort(values[other])
    below = np.searchsorted(against, values[at], side="left").mean()
    not_above = np.searchsorted(against, values[at], side="right").mean()
    return float((below + not_above) / (2 * against.size))


def correlation(saliency: ArrayLike, density: ArrayLike) -> float:
    """CC: Pearson's correlation of the map with the density of fixations, (H, W) both.

    NaN where either is constant (pysaliency gives 0 for a constant map).
    """
    values, looked = _flat(saliency), _flat(density)
    spread = _spread(values) * _spread(looked)
    if not spread > 0:
        return float("nan")
    product = ((values - values.mean()) * (looked - looked.mean())).mean()
    return float(np.clip(product / spread, -1, 1))


def kl_divergence(saliency: ArrayLike, density: ArrayLike) -> float:
    """KL: divergence of the map, as a density, from that of the fixations; 0 is best.

    Both are made to sum to one after 1e-20 has been added to every cell, as in pysaliency's
    `image_based_kl_divergence`. Where people look and the map is zero, that number decides.

    Returns
    -------
    float
        In nats. NaN where either is nowhere above zero.
    """
    looked, said = _as_density(density, KL_FLOOR), _as_density(saliency, KL_FLOOR)
    if looked is None or said is None:
        return float("nan")
    return float(max(0.0, (looked * (np.log(looked) - np.log(said))).sum()))


def similarity(saliency: ArrayLike, density: ArrayLike) -> float:
    """SIM: what map and density have in common, both made to sum to one; 0 to 1.

    NaN where either is nowhere above zero.
    """
    looked, said = _as_density(density), _as_density(saliency)
    if looked is None or said is None:
        return float("nan")
    return float(min(1.0, np.minimum(looked, said).sum()))


def _flat(values: ArrayLike) -> Map:
    return np.asarray(values, dtype=np.float64).ravel()


def _of_points(saliency: ArrayLike, points: ArrayLike) -> tuple[Map, Points]:
    return _flat(saliency), np.asarray(points, dtype=np.intp).ravel()


def _spread(values: Map) -> float:
    """Population SD; 0 for what rounding leaves of a constant, NaN where a value is not finite."""
    if not np.isfinite(values).all():
        return float("nan")
    spread = float(values.std())
    return spread if spread > 1e-12 * float(np.abs(values).max(initial=0.0)) else 0.0


def _at_or_above(values: Map, thresholds: Map) -> NDArray[np.intp]:
    return values.size - np.searchsorted(np.sort(values), thresholds, side="left")


def _as_density(values: ArrayLike, floor: float = 0.0) -> Map | None:
    flat = _flat(values)
    if not np.isfinite(flat).all() or not flat.max(initial=0.0) > 0:
        return None
    raised = flat / flat.max() if floor == 0 else flat + floor
    return np.asarray(raised / raised.sum())
