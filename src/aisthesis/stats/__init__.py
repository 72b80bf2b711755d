"""Bootstrap, permutations and correlations: one of each for the whole project."""

from __future__ import annotations

from aisthesis.stats.bootstrap import (
    Intervals,
    mean_intervals,
    percentile_intervals,
    resample_counts,
    resampled_means,
)
from aisthesis.stats.permutation import Pairings, corrected, p_of_pairings, paired_means

__all__ = [
    "Intervals",
    "Pairings",
    "corrected",
    "mean_intervals",
    "p_of_pairings",
    "paired_means",
    "percentile_intervals",
    "resample_counts",
    "resampled_means",
]
