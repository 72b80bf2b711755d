"""Agreement of a backbone with itself across seeds, and agreement freed of the noise of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.seed_values import Known, between_seeds
from aisthesis.agreement.seeds import SeedCosines, require_seeds, single_seed_cosines
from aisthesis.maps.aligned import SEED_MAPS, aligned
from aisthesis.stats.bootstrap import mean_intervals, percentile_intervals, resampled_means
from aisthesis.stats.means import mean_of_defined

__all__ = ["disattenuated", "reliability", "spearman_brown"]

Matrix = NDArray[np.float64]

#: Share of draws without a corrected value above which there is no interval: one of its tails.
MOST_UNDEFINED = 0.025


def reliability(
    maps: Mapping[str, Any],
    metrics: Sequence[str] = ("cosine",),
    size_px: int = 224,
    seed: int = 0,
    n_boot: int = 2000,
    cosines: SeedCosines | None = None,
    known: Known | None = None,
) -> pd.DataFrame:
    """Compare each backbone's maps of the same image by heads of different seeds.

    Parameters
    ----------
    maps
        (S, N, h, w) maps by backbone, one per seed and image.
    metrics
        Names out of `METRICS`. Cosine, Pearson and MSE cost next to nothing; any other metric is
        computed on the pixels, S (S - 1) / 2 times per backbone and image.
    size_px
        Side of the pixel grid on which maps are z-scored and compared.
    seed, n_boot
        Seed and number of the bootstrap's draws of images.
    cosines
        As `single_seed_cosines` gives them, where they are already there.
    known
        Values of other metrics from earlier calls, by what the maps are; an empty dict at first.

    Returns
    -------
    DataFrame
        ``metric, backbone, mean`` (over images, of the mean over pairs of seeds), ``low, high``
        (95 % studentised bootstrap over images), ``n`` (images where it is defined), ``n_seeds``,
        ``stepped_up``: for cosine and Pearson, what the reliability of maps averaged over the S
        seeds would be, S r / (1 + (S - 1) r). NaN with a single seed.

    References
    ----------
    Spearman (1910), "Correlation calculated from faulty data", British Journal of Psychology 3(3),
    271-295. Brown (1910), "Some experimental results in the correlation of mental abilities",
    British Journal of Psychology 3(3), 296-322.
    """
    maps = aligned(maps, SEED_MAPS).arrays
    require_seeds(maps)
    wanted = metrics_named(metrics)
    values = between_seeds(
        maps, [one.name for one in wanted if one.of_cosine is None], size_px, known
    )
    if len(values) < len(wanted):
        cosines = single_seed_cosines(maps, size_px) if cosines is None else cosines
        within = cosines.within
        values |= {one.name: one.of_cosine(within) for one in wanted if one.of_cosine is not None}
    n_seeds = np.array([int(one.shape[0]) for one in maps.values()])
    tables = []
    for metric in wanted:
        by_image = values[metric.name]
        intervals = mean_intervals(by_image, seed, n_boot)
        mean = mean_of_defined(by_image)
        table = {
            "metric": metric.name,
            "backbone": list(maps),
            "mean": mean,
            "low": intervals.low,
            "high": intervals.high,
            "n": np.isfinite(by_image).sum(axis=0),
            "n_seeds": n_seeds,
            "stepped_up": spearman_brown(mean, n_seeds) if metric.disattenuates else np.nan,
        }
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def spearman_brown(single: Matrix, n: Matrix) -> Matrix:
    """Reliability of the average of `n` equally reliable measurements; NaN below zero."""
    positive = np.where(single > 0, single, np.nan)
    stepped_up: Matrix = n * positive / (1 + (n - 1) * positive)
    return stepped_up


def disattenuated(
    maps: Mapping[str, Any],
    size_px: int = 224,
    seed: int = 0,
    n_boot: int = 2000,
    cosines: SeedCosines | None = None,
) -> pd.DataFrame:
    """Cosine agreement of every pair, corrected for what different seeds change in each.

    ``r_ab / sqrt(r_aa * r_bb)``, all three means of cosines between maps of *single*, different
    seeds: r_ab of a with b, r_aa and r_bb of one backbone with itself. Maps averaged over seeds are
    more reliable than that, so their agreement must not be put into this formula.

    Parameters
    ----------
    maps, size_px, seed, n_boot, cosines
        As in `reliability`; at least two backbones. An image with an undefined map in either
        backbone is left out of all three means.

    Returns
    -------
    DataFrame
        ``backbone_a, backbone_b, single_seed`` (r_ab), ``reliability_a, reliability_b`` (r_aa,
        r_bb), ``disattenuated, disattenuated_low, disattenuated_high`` (95 % percentile bootstrap
        over images), ``disattenuated_n``. NaN where a reliability is unknown, zero or negative;
        the interval also where it is so in more than 2.5 % of the draws. Chance in the estimates
        can carry the corrected value beyond 1.

    References
    ----------
    Spearman (1904), "The proof and measurement of association between two things", American
    Journal of Psychology 15(1), 72-101.
    """
    maps = aligned(maps, SEED_MAPS).arrays
    require_seeds(maps)
    cosines = single_seed_cosines(maps, size_px) if cosines is None else cosines
    rows = []
    for column, (a, b) in enumerate(cosines.pairs):
        terms = np.column_stack([cosines.between[:, column], cosines.within_both(column)])
        terms[~np.isfinite(terms).all(axis=1)] = np.nan
        drawn = _corrected(resampled_means(terms, seed, n_boot))
        interval = percentile_intervals(drawn[:, None])
        n = int(np.isfinite(terms[:, 0]).sum())
        means = mean_of_defined(terms)
        alone = mean_of_defined(cosines.between[:, [column]])  # of seeds without a reliability
        value = _corrected(means[None])[0]
        # Draws without a value may belong to either tail, which then cannot be found.
        found = len(drawn) > 0 and np.mean(np.isnan(drawn)) <= MOST_UNDEFINED
        usable = np.isfinite(value) and n > 1 and found
        rows.append(
            {
                "backbone_a": a,
                "backbone_b": b,
                "single_seed": means[0] if n else alone[0],
                "reliability_a": means[1],
                "reliability_b": means[2],
                "disattenuated": value,
                "disattenuated_low": interval.low[0] if usable else np.nan,
                "disattenuated_high": interval.high[0] if usable else np.nan,
                "disattenuated_n": n,
            }
        )
    return pd.DataFrame(rows)


def _corrected(means: Matrix) -> Matrix:
    agreement, reliability_a, reliability_b = means.T
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected = agreement / np.sqrt(reliability_a * reliability_b)
        positive = (reliability_a > 0) & (reliability_b > 0)
    result: Matrix = np.where(positive, corrected, np.nan)
    return result
