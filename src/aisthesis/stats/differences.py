"""Differences of things measured on the same images, corrected for how many are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from aisthesis.stats.bootstrap import column_means, mean_intervals, studentised_means

__all__ = [
    "FEWEST_DRAWN",
    "Differences",
    "corrected_by_control",
    "corrected_over_networks",
    "mean_differences",
]

Matrix = NDArray[np.float64]

#: Of fewer images the largest distance over draws is too coarse: Bonferroni's correction of
#: Student's t then.
FEWEST_DRAWN = 20


class Differences(NamedTuple):
    """Differences (K,), their 95 % intervals, and both corrected over the K that are compared.

    Corrected intervals cover all true differences at once in 95 % of studies; `p_corrected` is
    below .05 just where such an interval excludes zero, but for ties. NaN where undefined.
    """

    difference: Matrix
    low: Matrix
    high: Matrix
    low_corrected: Matrix
    high_corrected: Matrix
    p_corrected: Matrix
    n: NDArray[np.int_]


def mean_differences(
    values: Matrix, seed: int = 0, n_boot: int = 2000, level: float = 0.95
) -> Differences:
    """Test differences of means: paired, studentised, by the largest of all in each draw.

    Parameters
    ----------
    values
        (N, K): the difference of two things on each image, NaN where either is undefined.
    seed, n_boot
        Of the bootstrap's draws of images, the same for all K.
    level
        Of single intervals, and of all corrected ones together.

    Returns
    -------
    Differences
        From 20 images on corrected by the distribution over draws of the largest studentised
        distance, which takes into account how the differences go together; of fewer images by
        Bonferroni from Student's t. A draw that leaves some difference without spread counts as
        one with a large distance.

    References
    ----------
    Westfall & Young (1993), "Resampling-based multiple testing", Wiley, section 2.2 (single step).
    """
    n, mean, error = column_means(values)
    low, high = mean_intervals(values, seed, n_boot, level)
    tested = (n > 1) & (error > 0)
    reach, p = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(mean) / error
    few = tested & (n < FEWEST_DRAWN)
    compared = max(1, int(tested.sum()))
    p[few] = np.minimum(1.0, 2 * compared * stdtr(n[few] - 1, -distance[few]))
    reach[few] = stdtrit(n[few] - 1, 1 - (1 - level) / (2 * compared))
    many = tested & ~few
    if many.any() and n_boot:
        drawn = np.abs(studentised_means(values[:, tested], seed, n_boot))
        p[many], reach[many] = _by_the_largest(drawn, distance[many], level)
    same = (n > 1) & (error == 0)  # equal on every image: no doubt about it
    p[same], reach[same] = np.where(mean[same] == 0, 1.0, np.nan), 0.0
    if not n_boot:
        p, reach = np.full_like(p, np.nan), np.full_like(reach, np.nan)
    return Differences(mean, low, high, mean - reach * error, mean + reach * error, p, n)


def corrected_by_control(
    controls: Sequence[str], values: Matrix, seed: int = 0, n_boot: int = 2000
) -> Matrix:
    """Corrected p of differences to controls, those to each control together.

    Parameters
    ----------
    controls
        K names: what each column of `values` is a difference to.
    values, seed, n_boot
        As in `mean_differences`.

    Returns
    -------
    ndarray
        (K,)
    """
    named, p = np.array(controls), np.full(len(controls), np.nan)
    for control in dict.fromkeys(controls):
        here = named == control
        p[here] = mean_differences(values[:, here], seed, n_boot).p_corrected
    return p


def corrected_over_networks(
    table: pd.DataFrame, column: str, together: Sequence[str]
) -> pd.DataFrame:
    """Correct differences, each network's corrected on its own, for the networks too (Bonferroni).

    Parameters
    ----------
    table
        With ``backbone``, a column of p, and those of `together`.
    column
        Name of the column of p.
    together
        Names of columns: rows that are alike in all of them are compared with each other.
    """
    p = table[column].astype(float)
    keys = [table[name] for name in together]
    networks = table["backbone"].where(p.notna()).groupby(keys).transform("nunique")
    return table.assign(**{column: (p * networks).clip(upper=1.0)})


def _by_the_largest(drawn: Matrix, distance: Matrix, level: float) -> tuple[Matrix, float]:
    """Corrected p of distances, and how far a distance may lie by chance, from drawn distances."""
    largest = np.sort(np.nan_to_num(drawn, nan=np.inf).max(axis=1))
    as_far = len(largest) - np.searchsorted(largest, distance, side="left")
    place = min(len(largest) - 1, int(np.ceil(level * (len(largest) + 1))) - 1)
    return (as_far + 1) / (len(largest) + 1), float(largest[place])
