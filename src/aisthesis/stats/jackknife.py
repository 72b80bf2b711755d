"""Intervals of scores: the jackknife's standard error on a scale where it does not depend on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["jackknife", "left_out", "means_without", "pseudo_values", "studentised_interval"]

Array = NDArray[np.float64]
Scale = Literal["correlation", "share left"]

#: Groups of images left out in turn, where there are more images.
MOST_GROUPS = 200
#: Positions of kept images held at a time.
KEPT_AT_ONCE = 1 << 20
#: Below it, leaving one out leaves too few for a correlation.
_FEWEST = 4


class _Transform(NamedTuple):
    there: Callable[[Array], Array]
    back: Callable[[Array], Array]


_TRANSFORMS: dict[Scale, _Transform] = {
    "correlation": _Transform(np.arctanh, np.tanh),
    "share left": _Transform(lambda r2: -np.log1p(-r2), lambda z: -np.expm1(-z)),
}


def left_out(n: int, seed: int = 0) -> NDArray[np.bool_]:
    """Which of n images each of the jackknife's samples leaves out: (groups, n).

    One at a time, or as many groups of a random order as `MOST_GROUPS`.
    """
    groups = min(n, MOST_GROUPS)
    order = np.arange(n) if groups == n else np.random.default_rng(seed).permutation(n)
    group = np.empty(n, dtype=int)
    group[order] = np.arange(n) * groups // max(n, 1)
    return group[None, :] == np.arange(groups)[:, None]


def jackknife(statistic: Callable[[NDArray[np.intp]], Array], without: NDArray[np.bool_]) -> Array:
    """Statistics of the samples that leave images out.

    Parameters
    ----------
    statistic
        Gives (samples, ...) of the (samples, size) positions of the images that samples keep.
    without
        (groups, N) of `left_out`.

    Returns
    -------
    ndarray
        (groups, ...)
    """
    sizes, parts, places = without.sum(axis=1), [], []
    at_once = max(1, KEPT_AT_ONCE // max(1, without.shape[1]))
    for size in np.unique(sizes):  # samples of one size together
        alike = np.flatnonzero(sizes == size)
        for start in range(0, len(alike), at_once):
            places.append(alike[start : start + at_once])
            kept = np.nonzero(~without[places[-1]])[1]
            parts.append(np.asarray(statistic(kept.reshape(len(places[-1]), -1))))
    return np.concatenate(parts)[np.argsort(np.concatenate(places))] if parts else np.empty(0)


def means_without(values: Array) -> Array:
    """Means of columns with one image left out in turn, NaN left out: (N, K) of (N, K)."""
    defined = np.isfinite(values)
    filled = np.where(defined, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (filled.sum(axis=0) - filled) / (defined.sum(axis=0) - defined)


def pseudo_values(values: Array, jackknifed: Array) -> Array:
    """What each group of images adds to statistics, around the statistics: (groups, K).

    Their mean is the statistic and their spread its uncertainty, so that statistics of the same
    images are compared as means are.

    Parameters
    ----------
    values
        (K,) of all images.
    jackknifed
        (groups, K) of the samples of `left_out`.

    References
    ----------
    Tukey (1958), "Bias and confidence in not quite large samples", Annals of Mathematical
    Statistics 29(2), 614.
    """
    return values - (len(jackknifed) - 1) * (jackknifed - jackknifed.mean(axis=0))


def studentised_interval(
    value: float, jackknifed: Array, n: int, scale: Scale, level: float = 0.95
) -> tuple[float, float]:
    """Interval of a score from its values with a group of images left out in turn.

    Correlations go to Fisher's z, R² to the logarithm of the share of variance that is left:
    there the standard error depends little on the score, and the interval cannot leave the range.

    Parameters
    ----------
    value
        Of all n images.
    jackknifed
        (groups,) of the samples of `left_out`.
    n
        Number of images.
    scale
        "correlation", or "share left" for R².
    level
        Share of studies in which the interval shall cover the true score.

    Returns
    -------
    low, high : float
        NaN with fewer than four images, or where a sample has no value. Of a perfect correlation,
        which few images often have by chance, the inner end is that of a correlation a little
        below it with Fisher's standard error.

    References
    ----------
    Efron & Stein (1981), "The jackknife estimate of variance", Annals of Statistics 9(3),
    586-596. Fisher (1921), "On the probable error of a coefficient of correlation", Metron 1, 3-32.
    """
    groups = len(jackknifed)
    if n < _FEWEST or not (math.isfinite(value) and np.isfinite(jackknifed).all()):
        return math.nan, math.nan
    quantile = float(stdtrit(groups - 1, (1 + level) / 2))
    if scale == "correlation" and abs(value) > 1 - 1e-12:
        inner = math.tanh(math.atanh(1 - 1 / n) - quantile / math.sqrt(n - 3))
        return (inner, 1.0) if value > 0 else (-1.0, -inner)
    there, back = _TRANSFORMS[scale]
    limit = 1 - 1e-12 if scale == "correlation" else np.inf
    with np.errstate(divide="ignore"):
        each = there(np.clip(jackknifed, -limit, limit))
        centre = there(np.array([value]))[0]
    if not (np.isfinite(each).all() and math.isfinite(centre)):
        return value, value
    error = math.sqrt((groups - 1) / groups * np.square(each - each.mean()).sum())
    low, high = back(centre + np.array([-1.0, 1.0]) * quantile * error)
    return float(low), float(high)
