"""Chance level: how far maps of different images agree, by a shared centre bias alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from math import factorial
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from aisthesis.agreement.linear import cross_cosine
from aisthesis.agreement.metrics import Metric, metric, metrics_named
from aisthesis.agreement.parallel import in_threads, one_thread_an_operation
from aisthesis.agreement.stack import MapStack
from aisthesis.aligned import aligned
from aisthesis.errors import RequestError

__all__ = ["chance_level", "cross_values", "sampled"]

#: Maps compared together: few enough for the processor's cache.
MAPS_AT_ONCE = 4
#: Permutations looked at together.
PERMUTATIONS_AT_ONCE = 1000


def sampled(n: int, most: int, seed: int) -> NDArray[np.intp]:
    """Numbers of at most so many of n images, in order: all, or a random choice of the seed."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def cross_values(a: MapStack, b: MapStack, metric: Metric) -> NDArray[np.float64]:
    """Compare every map of `a` with every map of `b`: (N, N), NaN where undefined."""
    if metric.of_cosine is not None:
        return metric.of_cosine(cross_cosine(a, b).cpu().numpy())
    n = len(a)
    values = np.full((n, n), np.nan)
    metric(a, b)  # what the metric needs of one map is then derived, and only taken below
    for shift in range(1 - n, n):
        for start in range(max(0, -shift), min(n, n - shift), MAPS_AT_ONCE):
            rows = slice(start, min(start + MAPS_AT_ONCE, n, n - shift))
            columns = slice(rows.start + shift, rows.stop + shift)
            here = np.arange(rows.start, rows.stop)
            values[here, here + shift] = metric(a.take(rows), b.take(columns)).cpu().numpy()
    return values


def chance_level(
    maps: Mapping[str, Any],
    metrics: Sequence[str] = ("cosine",),
    size_px: int = 224,
    n_permutations: int = 9999,
    max_images: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare each backbone's map of one image with the other's map of another image.

    The images of one backbone are paired anew with those of the other, `n_permutations` times (all
    N! ways where there are no more). Under the hypothesis that the other backbone's map of *this*
    image is no better a match than its map of any image, the observed pairing is one of them: p is
    the share of pairings, the observed one included, whose mean agreement over images is at least
    as good (one-sided, towards agreement). `p_corrected` is corrected over the pairs of each
    metric after Benjamini and Hochberg.

    Parameters
    ----------
    maps
        (N, h, w) maps of the same images by backbone, as in `pair_values`.
    metrics
        Names out of `METRICS`. Cosine, Pearson and MSE cost next to nothing; any other metric is
        computed for every two images, N^2 times per pair of backbones.
    size_px
        Side of the pixel grid.
    n_permutations
        Random pairings; the same for every pair of backbones.
    max_images
        Take this many images at random where there are more; all maps of them are held at once.
    seed
        Seed of the choice of images and of the pairings.

    Returns
    -------
    DataFrame
        ``metric, backbone_a, backbone_b, chance`` (mean over i and j != i), ``chance_std`` (SD
        over them), ``chance_low, chance_high`` (between them lie 95 % of the pairings' means),
        ``p``, ``chance_n`` (images compared, those with an undefined map left out),
        ``p_corrected``. NaN where fewer than two images are left.

    References
    ----------
    Benjamini & Hochberg (1995), "Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57(1), 289-300. Phipson & Smyth (2010), "Permutation p-values should
    never be zero", Statistical Applications in Genetics and Molecular Biology 9(1), 39.
    """
    if max_images < 2 or n_permutations < 1:
        raise RequestError(
            f"expected at least two images and one permutation, got max_images={max_images} and "
            f"n_permutations={n_permutations}"
        )
    wanted = metrics_named(metrics)
    stacks = _chosen_stacks(aligned(maps).arrays, size_px, max_images, seed)
    rows: list[dict[str, Any]] = [
        {"metric": one.name, "backbone_a": a, "backbone_b": b}
        for one in wanted
        for a, b in combinations(stacks, 2)
    ]
    pairings = _Pairings(n_permutations, seed)

    def work(row: dict[str, Any]) -> None:
        one = metric(row["metric"])
        cross = cross_values(stacks[row["backbone_a"]], stacks[row["backbone_b"]], one)
        row |= _chance_of_pair(cross, one, pairings)

    compared: list[dict[str, Any]] = list(in_threads(work, rows))
    table = pd.DataFrame(compared).assign(p_corrected=np.nan)
    for _, group in table[table["p"].notna()].groupby("metric", sort=False):
        table.loc[group.index, "p_corrected"] = false_discovery_control(group["p"], method="bh")
    return table


@one_thread_an_operation()
def _chosen_stacks(
    maps: Mapping[str, Any], size_px: int, max_images: int, seed: int
) -> dict[str, MapStack]:
    lengths = {int(one.shape[0]) for one in maps.values()}
    if len(maps) < 2 or len(lengths) != 1:
        raise RequestError(
            "expected maps of the same images for at least two backbones, got "
            f"{ {name: int(one.shape[0]) for name, one in maps.items()} } images"
        )
    chosen = sampled(lengths.pop(), max_images, seed)
    return {name: MapStack.of(one[chosen], size_px) for name, one in maps.items()}


class _Pairings:
    """Random pairings of n images with n images, made once for each n and shared by the pairs."""

    def __init__(self, n_permutations: int, seed: int) -> None:
        self._n_permutations = n_permutations
        self._seed = seed
        self._made: dict[int, tuple[NDArray[np.int32], bool]] = {}
        self._making = Lock()

    def of(self, n: int) -> tuple[NDArray[np.int32], bool]:
        """Give (pairings, n) partners of the images, and whether these are all that there are."""
        with self._making:
            if n not in self._made:
                self._made[n] = self._make(n)
            return self._made[n]

    def _make(self, n: int) -> tuple[NDArray[np.int32], bool]:
        if n < 13 and factorial(n) <= self._n_permutations:
            return np.array(list(permutations(range(n))), dtype=np.int32), True
        ordered = np.tile(np.arange(n, dtype=np.int32), (self._n_permutations, 1))
        return np.random.default_rng(self._seed).permuted(ordered, axis=1, out=ordered), False


def _chance_of_pair(
    cross: NDArray[np.float64], metric: Metric, pairings: _Pairings
) -> dict[str, float]:
    # A map that agrees with none is undefined itself; a pairing must not depend on such images.
    kept = ~(np.isnan(cross).all(axis=1) | np.isnan(cross).all(axis=0))
    cross = cross[np.ix_(kept, kept)]
    n = len(cross)
    if n < 2 or np.isnan(cross).any():
        unknown = dict.fromkeys(("chance", "chance_std", "chance_low", "chance_high", "p"), np.nan)
        return unknown | {"chance_n": n}
    others = cross[~np.eye(n, dtype=bool)]
    partners, all_of_them = pairings.of(n)
    means = _means_of_pairings(cross, partners)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "chance": float(others.mean()),
        "chance_std": float(others.std(ddof=1)),
        "chance_low": float(low),
        "chance_high": float(high),
        "p": _p_value(float(np.diagonal(cross).mean()), means, metric, all_of_them),
        "chance_n": n,
    }


def _means_of_pairings(
    cross: NDArray[np.float64], partners: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Mean of ``cross[i, partner of i]`` over images i, for every pairing."""
    n = len(cross)
    flat, row = cross.ravel(), n * np.arange(n)
    parts = [
        flat.take(row + partners[start : start + PERMUTATIONS_AT_ONCE]).mean(axis=1)
        for start in range(0, len(partners), PERMUTATIONS_AT_ONCE)
    ]
    return np.concatenate(parts)


def _p_value(
    observed: float, means: NDArray[np.float64], metric: Metric, all_of_them: bool
) -> float:
    """Share of pairings at least as good as the observed one, as `permutation_test` counts it."""
    rounding = abs(1e-14 * observed)  # sums of the same values in another order tie
    if metric.direction == "higher":
        as_good = np.count_nonzero(means >= observed - rounding)
    else:
        as_good = np.count_nonzero(means <= observed + rounding)
    if all_of_them:
        return as_good / len(means)
    return (as_good + 1) / (len(means) + 1)
