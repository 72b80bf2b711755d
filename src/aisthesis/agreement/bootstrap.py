"""Bootstrap intervals of means over images, every column resampled with the same images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from aisthesis.errors import RequestError

__all__ = [
    "Intervals",
    "mean_intervals",
    "percentile_intervals",
    "resample_counts",
    "resampled_means",
]

Matrix = NDArray[np.float64]

#: Resampled images held at a time.
DRAWS_AT_ONCE = 1 << 20


class Intervals(NamedTuple):
    """Lower and upper ends, one per column; NaN where fewer than two values are defined."""

    low: Matrix
    high: Matrix


def resampled_means(values: Matrix, seed: int, n_boot: int) -> Matrix:
    """Means of the columns over images drawn with replacement, NaN left out.

    A draw takes the same images for every column, so differences and ratios of columns can be
    resampled too. A draw is a vector of counts, and all means are one matrix product.

    Parameters
    ----------
    values
        (N, K): one row per image.
    seed
        Seed of the draws.
    n_boot
        Number of draws; 0 for none, which leaves every interval undefined.

    Returns
    -------
    ndarray
        (n_boot, K); NaN where a draw holds no defined value of the column.
    """
    n, k = values.shape
    defined = np.isfinite(values)
    filled = np.where(defined, values, 0.0)
    parts = [np.empty((0, k))]
    for counts in resample_counts(n, n_boot, seed):
        weight = counts @ defined.astype(float)
        with np.errstate(invalid="ignore"):
            parts.append(np.where(weight > 0, counts @ filled / weight, np.nan))
    return np.concatenate(parts)


def resample_counts(n: int, n_boot: int, seed: int) -> Iterator[Matrix]:
    """Give (draws, n) counts of how often each draw of n images holds each image, some at a time.

    The draws depend on `n` and `seed` alone, so every statistic of a study sees the same ones.
    """
    if n_boot < 0:
        raise RequestError(f"expected a number of bootstrap draws, got {n_boot}; give 0 or more")
    rng = np.random.default_rng(seed)
    step = max(1, DRAWS_AT_ONCE // max(n, 1))
    for start in range(0, n_boot, step):
        draws = min(step, n_boot - start)
        if n == 0:
            yield np.empty((draws, 0))
            continue
        chosen = rng.integers(0, n, size=(draws, n)) + n * np.arange(draws)[:, None]
        yield np.bincount(chosen.ravel(), minlength=draws * n).reshape(draws, n).astype(float)


def percentile_intervals(resampled: Matrix, level: float = 0.95) -> Intervals:
    """Interval between the percentiles of each column of (n_boot, K) resampled statistics."""
    tail = (1 - level) / 2
    ends = [
        np.quantile(column[np.isfinite(column)], [tail, 1 - tail])
        if np.isfinite(column).any()
        else np.array([np.nan, np.nan])
        for column in resampled.T
    ]
    low, high = np.array(ends).reshape(-1, 2).T
    return Intervals(low, high)


def mean_intervals(
    values: Matrix, seed: int = 0, n_boot: int = 2000, level: float = 0.95
) -> Intervals:
    """Bias-corrected and accelerated (BCa) bootstrap intervals of column means over images.

    Parameters
    ----------
    values
        (N, K); NaN is left out, column by column.
    seed, n_boot
        As in `resampled_means`.
    level
        Share of studies in which the interval shall cover the true mean.

    Returns
    -------
    Intervals
        K lower and K upper ends; NaN where fewer than two values are defined or nothing is drawn.

    References
    ----------
    Efron (1987), "Better bootstrap confidence intervals", Journal of the American Statistical
    Association 82(397), 171-185. The acceleration of a mean is its sample's skewness over
    6 sqrt(n), which is what the jackknife gives.
    """
    resampled = resampled_means(values, seed, n_boot)
    low, high = (np.full(values.shape[1], np.nan) for _ in range(2))
    tails = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    for column in range(values.shape[1]):
        sample = values[np.isfinite(values[:, column]), column]
        if sample.size < 2 or not len(resampled):
            continue
        draws = resampled[np.isfinite(resampled[:, column]), column]
        low[column], high[column] = np.quantile(draws, _bca_levels(sample, draws, tails))
    return Intervals(low, high)


def _bca_levels(sample: Matrix, draws: Matrix, tails: Matrix) -> Matrix:
    mean = sample.mean()
    deviations = sample - mean
    spread = np.square(deviations).sum()
    # Sums in another order differ in the last digits: a constant sample is not a skewed one.
    if spread <= (1e-12 * np.abs(sample).max()) ** 2 * sample.size:
        return ndtr(tails)
    acceleration = (deviations**3).sum() / (6 * spread**1.5)
    below = np.mean(draws < mean) + np.mean(draws == mean) / 2
    bias = ndtri(np.clip(below, 0.5 / draws.size, 1 - 0.5 / draws.size))
    shifted = bias + tails
    return ndtr(bias + shifted / (1 - acceleration * shifted))
