"""Bootstrap intervals of means over images, every column resampled with the same images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from aisthesis.errors import RequestError

__all__ = [
    "FEWEST_STUDENTISED",
    "Intervals",
    "column_means",
    "mean_intervals",
    "percentile_intervals",
    "resample_counts",
    "resampled_means",
    "studentised_means",
]

Matrix = NDArray[np.float64]

#: Resampled images held at a time.
DRAWS_AT_ONCE = 1 << 20
#: Of fewer values draws repeat each other, and the interval of a mean is Student's.
FEWEST_STUDENTISED = 5


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
    values: Matrix,
    seed: int = 0,
    n_boot: int = 2000,
    level: float = 0.95,
    bounds: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
) -> Intervals:
    """Studentised bootstrap intervals of column means over images.

    The draws say how far the mean lies from the sample's, in standard errors of the draw itself;
    so intervals are as wide as few images ask for, and skewed where the values are. Fewer than
    five values, and values so nearly all equal that too many draws have no standard error, have
    Student's t interval. A constant has an interval of no width.

    Parameters
    ----------
    values
        (N, K); NaN is left out, column by column.
    seed, n_boot
        As in `resampled_means`.
    level
        Share of studies in which the interval shall cover the true mean.
    bounds
        Least and greatest value that a mean can have, numbers or (K,): intervals end there.

    Returns
    -------
    Intervals
        K lower and K upper ends; NaN where fewer than two values are defined or nothing is drawn.

    References
    ----------
    Efron & Tibshirani (1993), "An introduction to the bootstrap", Chapman & Hall, section 12.5.
    """
    n, mean, error = column_means(values)
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        reach = stdtrit(np.maximum(n - 1, 1), 1 - tail) * error
    low, high = mean - reach, mean + reach
    studentised = studentised_means(values, seed, n_boot)
    ends = np.full((2, len(mean)), np.nan)
    for column in np.flatnonzero((n >= FEWEST_STUDENTISED) & (error > 0)):
        drawn = studentised[~np.isnan(studentised[:, column]), column]
        if drawn.size:
            ends[:, column] = np.quantile(drawn, [tail, 1 - tail], method="nearest")
    found = np.isfinite(ends).all(axis=0)
    low[found] = (mean - ends[1] * error)[found]
    high[found] = (mean - ends[0] * error)[found]
    unknown = (n < 2) | (len(studentised) == 0)
    low[unknown] = high[unknown] = np.nan
    return Intervals(np.clip(low, *bounds), np.clip(high, *bounds))


def column_means(values: Matrix) -> tuple[NDArray[np.int_], Matrix, Matrix]:
    """Give number, mean and standard error of each column's defined values, (K,) each.

    What rounding leaves of a constant is no error. NaN where undefined.
    """
    defined = np.isfinite(values)
    n = defined.sum(axis=0)
    filled = np.where(defined, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / n
        deviations = np.where(defined, values - mean, 0.0)
        sd = np.sqrt(np.square(deviations).sum(axis=0) / (n - 1))
        error = np.where(sd <= 1e-12 * np.abs(filled).max(axis=0, initial=0.0), 0.0, sd)
        return n, mean, error / np.sqrt(n)


def studentised_means(values: Matrix, seed: int, n_boot: int) -> Matrix:
    """Distance of each draw's column mean from the sample's, in the draw's own standard errors.

    Parameters
    ----------
    values, seed, n_boot
        As in `resampled_means`.

    Returns
    -------
    ndarray
        (n_boot, K); infinite where a draw has no spread but another mean, NaN where it has fewer
        than two defined values.
    """
    n, k = values.shape
    defined = np.isfinite(values)
    _, mean, error = column_means(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.where(defined & (error > 0), (values - mean) / error, 0.0)
    square = np.square(scaled)
    parts = [np.empty((0, k))]
    for counts in resample_counts(n, n_boot, seed):
        weight = counts @ defined.astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = counts @ scaled / weight
            variance = (counts @ square / weight - drawn**2) / (weight - 1)
            spread = np.sqrt(np.where(variance > 1e-12, variance, 0.0))
            distance = np.where(np.abs(drawn) > 1e-9, drawn / spread, 0.0)
        parts.append(np.where(weight > 1, distance, np.nan))
    return np.concatenate(parts)
