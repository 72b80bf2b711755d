"""Chance level: how far maps of different images agree, by a shared centre bias alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from aisthesis.agreement.linear import cross_cosine
from aisthesis.agreement.metrics import Metric, metric, metrics_named
from aisthesis.agreement.parallel import in_threads, one_thread_an_operation
from aisthesis.agreement.registration import register
from aisthesis.agreement.stack import MapStack
from aisthesis.errors import RequestError
from aisthesis.maps.aligned import aligned
from aisthesis.stats.permutation import Pairings, corrected, p_of_pairings, paired_means

__all__ = ["CHANCE_COLUMNS", "chance_level", "cross_values", "sampled"]

#: What is inferred of a pair, in the order of the table.
CHANCE_COLUMNS = (
    "chance", "chance_std", "chance_low", "chance_high", "p", "chance_n", "chance_observed",
    "chance_strata",
)  # fmt: skip
#: Images whose maps over a part of the photograph are held with every pixel.
MOST_IN_FULL = 200
#: Maps compared together: few enough for the processor's cache.
MAPS_AT_ONCE = 4
#: How a head errs, by the sign of prediction minus rating.
_SIDES = {-1: "below", 0: "on", 1: "above"}


def sampled(n: int, most: int, seed: int) -> NDArray[np.intp]:
    """Numbers of at most so many of n images, in order: all, or a random choice of the seed."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def cross_values(a: MapStack, b: MapStack, metric: Metric) -> NDArray[np.float64]:
    """Compare every map of `a` with every map of `b`: (N, N), NaN where undefined.

    Exact for a few maps; of many, SSIM takes evenly spread windows and EMD the means of evenly
    spread parts of the sorted pixels (`Metric.cross`).
    """
    if metric.of_cosine is not None:
        return metric.of_cosine(cross_cosine(a, b).cpu().numpy())
    if metric.cross is not None:
        undefined = a.undefined[:, None] | b.undefined[None, :]
        values: NDArray[np.float64] = (
            metric.cross(a, b).double().masked_fill(undefined, float("nan")).cpu().numpy()
        )
        return values
    return _cross_one_by_one(a, b, metric)


def _cross_one_by_one(a: MapStack, b: MapStack, metric: Metric) -> NDArray[np.float64]:
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
    sides: Mapping[str, ArrayLike] | None = None,
    boxes: Mapping[str, ArrayLike] | None = None,
    pairings: Pairings | None = None,
) -> pd.DataFrame:
    """Compare each backbone's map of one image with the other's map of another image.

    The images of one backbone are paired anew with those of the other, `n_permutations` times (all
    ways where there are no more). Under the hypothesis that the other backbone's map of *this*
    image is no better a match than its map of any image, the observed pairing is one of them: p is
    the share of pairings, the observed one included, whose mean agreement over images is at least
    as good (one-sided, towards agreement). `p_corrected` is corrected over the pairs of each
    metric after Benjamini and Hochberg.

    Of AIS maps give `sides`. The sign of such a map is that of the head's error, and two heads
    mostly err on the same side of one image: with any bias that all images share, maps of
    different images, of any sides, would be a level that every pair exceeds. Images are then
    paired only with images on which both heads err on the same sides as on their own.

    Parameters
    ----------
    maps
        (N, h, w) maps of the same images by backbone, as in `pair_values`.
    metrics
        Names out of `METRICS`; each is computed for every two images.
    size_px
        Side of the pixel grid.
    n_permutations
        Random pairings; the same for every pair of backbones with the same strata.
    max_images
        Take this many images at random where there are more; all maps of them are held at once.
    seed
        Seed of the choice of images and of the pairings.
    sides
        (N,) by backbone: above 0 where its head predicts more than the human rating, below 0 for
        less, 0 for neither, NaN where unknown. Images alone in their stratum are left out.

    boxes
        As in `pair_values`.
    pairings
        In place of `n_permutations` and `seed` of the pairings, for several calls on the same
        images: each way in which they fall into strata is paired once.

    Returns
    -------
    DataFrame
        ``metric, backbone_a, backbone_b, chance`` (mean over images i and j != i of one stratum,
        every image counted once), ``chance_std`` (SD over such pairs), ``chance_low, chance_high``
        (between them lie 95 % of the pairings' means), ``p``, ``chance_n`` (images compared, those
        with an undefined map or alone in their stratum left out), ``chance_observed`` (agreement
        on the same image, over just these images and as they were compared), ``chance_strata``
        (images in each stratum, "below/above 12" where the first head errs below and the second
        above; empty without `sides`), ``p_corrected``. NaN where fewer than two images are left.

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
    same = aligned(maps)
    maps = same.arrays
    if sides is not None and same.names is not None:
        sides = {
            k: v.reindex(same.names) if isinstance(v, pd.Series) else v for k, v in sides.items()
        }
    chosen = sampled(_n_images(maps), max_images, seed)
    errors = None if sides is None else _signs(maps, sides, chosen)
    pairs = list(combinations(maps, 2))
    cells = size_px if len(chosen) <= MOST_IN_FULL else size_px // 2
    registered = register(maps, pairs, boxes, cells)
    stacks = _stacks(registered.maps, chosen, size_px)
    compared_as = dict(zip(pairs, registered.pairs, strict=True))
    rows: list[dict[str, Any]] = [
        {"metric": one.name, "backbone_a": a, "backbone_b": b} for one in wanted for a, b in pairs
    ]
    paired = pairings or Pairings(n_permutations, seed)

    def work(row: dict[str, Any]) -> None:
        one, a, b = metric(row["metric"]), row["backbone_a"], row["backbone_b"]
        first, second = compared_as[a, b]
        cross = cross_values(stacks[first], stacks[second], one)
        both = None if errors is None else (errors[a], errors[b])
        row |= _chance_of_pair(cross, one, paired, both)

    compared: list[dict[str, Any]] = list(in_threads(work, rows))
    table = pd.DataFrame(compared).assign(p_corrected=np.nan)
    for _, group in table.groupby("metric", sort=False):
        table.loc[group.index, "p_corrected"] = corrected(group["p"])
    return table


def _n_images(maps: Mapping[str, Any]) -> int:
    lengths = {int(one.shape[0]) for one in maps.values()}
    if len(maps) < 2 or len(lengths) != 1:
        raise RequestError(
            "expected maps of the same images for at least two backbones, got "
            f"{ {name: int(one.shape[0]) for name, one in maps.items()} } images"
        )
    return lengths.pop()


@one_thread_an_operation()
def _stacks(maps: Mapping[Any, Any], chosen: NDArray[np.intp], size_px: int) -> dict[Any, MapStack]:
    return {name: MapStack.of(one[chosen], size_px) for name, one in maps.items()}


def _signs(
    maps: Mapping[str, Any], sides: Mapping[str, ArrayLike], chosen: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    """Sign of each backbone's error on the chosen images: -1, 0, 1 or NaN."""
    n = _n_images(maps)
    known = {name: np.asarray(sides[name], dtype=float) for name in maps if name in sides}
    wrong = [name for name in maps if name not in known or known[name].shape != (n,)]
    if wrong:
        raise RequestError(
            f"expected the side of the error on each of the {n} images for every backbone, "
            f"that of {', '.join(wrong)} is missing or of other images"
        )
    return {name: np.sign(one[chosen]) for name, one in known.items()}


def _chance_of_pair(
    cross: NDArray[np.float64],
    metric: Metric,
    pairings: Pairings,
    sides: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> dict[str, Any]:
    # A map that agrees with none is undefined itself; a pairing must not depend on such images.
    kept = ~(np.isnan(cross).all(axis=1) | np.isnan(cross).all(axis=0))
    stratum, said = np.zeros(len(cross), dtype=int), ""
    if sides is not None:
        kept &= np.isfinite(sides[0]) & np.isfinite(sides[1])
        stratum = np.where(kept, 3 * np.nan_to_num(sides[0]) + np.nan_to_num(sides[1]), 0)
        stratum, said = stratum.astype(int), _said(stratum[kept])
        kept[kept] = _in_company(stratum[kept])
    cross, stratum = cross[np.ix_(kept, kept)], stratum[kept]
    n = len(cross)
    if n < 2 or np.isnan(cross).any():
        return dict.fromkeys(CHANCE_COLUMNS, np.nan) | {"chance_n": n, "chance_strata": said}
    others = (stratum[:, None] == stratum) & ~np.eye(n, dtype=bool)
    partners, all_of_them = pairings.of(stratum)
    means = paired_means(cross, partners)
    low, high = np.quantile(means, [0.025, 0.975])
    observed = float(np.diagonal(cross).mean())
    return {
        "chance": float((np.where(others, cross, 0).sum(axis=1) / others.sum(axis=1)).mean()),
        "chance_std": float(cross[others].std(ddof=1)),
        "chance_low": float(low),
        "chance_high": float(high),
        "p": p_of_pairings(observed, means, metric.direction, all_of_them),
        "chance_n": n,
        "chance_observed": observed,
        "chance_strata": said,
    }


def _in_company(stratum: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Which images are not alone in their stratum."""
    _, place, counts = np.unique(stratum, return_inverse=True, return_counts=True)
    return np.asarray(counts[place] > 1)


def _said(stratum: NDArray[np.int_]) -> str:
    """Say how many images each stratum of both errors' sides has."""
    counted = [
        (f"{_SIDES[a]}/{_SIDES[b]}", int((stratum == 3 * a + b).sum()))
        for a in _SIDES
        for b in _SIDES
    ]
    return "; ".join(f"{name} {n}" for name, n in counted if n)
