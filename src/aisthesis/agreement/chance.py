"""Chance level: how far maps of different images agree, by a shared centre bias alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, permutation_test

from aisthesis.agreement.linear import cross_cosine
from aisthesis.agreement.metrics import Metric, metric, metrics_named
from aisthesis.agreement.parallel import in_threads
from aisthesis.agreement.stack import MapStack
from aisthesis.errors import RequestError

__all__ = ["chance_level", "cross_values"]

#: Permutations looked at together.
PERMUTATIONS_AT_ONCE = 1000


def cross_values(a: MapStack, b: MapStack, metric: Metric) -> NDArray[np.float64]:
    """Compare every map of `a` with every map of `b`: (N, N), NaN where undefined."""
    if metric.name in ("cosine", "pearson", "mse"):
        cosines = cross_cosine(a, b).cpu().numpy()
        return 2 * (1 - cosines) if metric.name == "mse" else cosines
    n = len(a)
    values = np.full((n, n), np.nan)
    rows = np.arange(n)
    metric(a, b)  # what the metric needs of one map is then derived, and only taken below
    for shift in range(n):
        columns = (rows + shift) % n
        shifted = b.take(torch.from_numpy(columns).to(b.small.device))
        values[rows, columns] = metric(a, shifted).cpu().numpy()
    return values


def chance_level(
    maps: Mapping[str, Any],
    metrics: Sequence[str] = ("cosine",),
    size_px: int = 224,
    n_permutations: int = 9999,
    max_images: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare each backbone's map of one image with the other's map of another image.

    The p value is that of the mean agreement over images among the means under random pairings of
    the images (one-sided, towards agreement; the observed pairing counts as one of them), and
    `p_adjusted` is corrected over the pairs of each metric after Benjamini and Hochberg.

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
        Random pairings for the p value.
    max_images
        Take this many images at random where there are more; all maps of them are held at once.
    seed
        Seed of the choice of images and of the pairings.

    Returns
    -------
    DataFrame
        ``metric, backbone_a, backbone_b, chance`` (mean over i and j != i), ``chance_std`` (SD
        over them), ``p``, ``chance_n`` (images compared, those with a flat map left out),
        ``p_adjusted``. NaN where fewer than two images are left.

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
    stacks = _chosen_stacks(maps, size_px, max_images, seed)
    rows: list[dict[str, Any]] = [
        {"metric": one.name, "backbone_a": a, "backbone_b": b}
        for one in wanted
        for a, b in combinations(stacks, 2)
    ]

    def compare(row: dict[str, Any]) -> None:
        one = metric(row["metric"])
        cross = cross_values(stacks[row["backbone_a"]], stacks[row["backbone_b"]], one)
        row |= _chance_of_pair(cross, one, n_permutations, seed)

    compared: list[dict[str, Any]] = list(in_threads(compare, rows))
    table = pd.DataFrame(compared).assign(p_adjusted=np.nan)
    for _, group in table[table["p"].notna()].groupby("metric", sort=False):
        table.loc[group.index, "p_adjusted"] = false_discovery_control(group["p"], method="bh")
    return table


def _chosen_stacks(
    maps: Mapping[str, Any], size_px: int, max_images: int, seed: int
) -> dict[str, MapStack]:
    lengths = {int(one.shape[0]) for one in maps.values()}
    if len(maps) < 2 or len(lengths) != 1:
        raise RequestError(
            "expected maps of the same images for at least two backbones, got "
            f"{ {name: int(one.shape[0]) for name, one in maps.items()} } images"
        )
    n = lengths.pop()
    chosen = np.arange(n)
    if n > max_images:
        chosen = np.sort(np.random.default_rng(seed).choice(n, max_images, replace=False))
    return {name: MapStack.of(one[chosen], size_px) for name, one in maps.items()}


def _chance_of_pair(
    cross: NDArray[np.float64], metric: Metric, n_permutations: int, seed: int
) -> dict[str, float]:
    # A map that agrees with none is undefined itself; a pairing must not depend on such images.
    kept = ~(np.isnan(cross).all(axis=1) | np.isnan(cross).all(axis=0))
    cross = cross[np.ix_(kept, kept)]
    n = len(cross)
    if n < 2 or np.isnan(cross).any():
        return {"chance": np.nan, "chance_std": np.nan, "p": np.nan, "chance_n": n}
    others = cross[~np.eye(n, dtype=bool)]
    images = np.arange(n)

    def mean_agreement(partner: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        pairing = np.moveaxis(np.asarray(partner), axis, -1)
        return cross[images, pairing].mean(axis=-1)

    test = permutation_test(
        (images,),
        mean_agreement,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=n_permutations,
        batch=PERMUTATIONS_AT_ONCE,
        alternative="greater" if metric.direction == "higher" else "less",
        rng=np.random.default_rng(seed),
    )
    return {
        "chance": float(others.mean()),
        "chance_std": float(others.std(ddof=1)),
        "p": float(test.pvalue),
        "chance_n": n,
    }
