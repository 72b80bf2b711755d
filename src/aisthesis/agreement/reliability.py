"""Agreement of a backbone with itself across seeds, and agreement freed of the noise of seeds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.agreement.bootstrap import mean_intervals, percentile_intervals, resampled_means
from aisthesis.agreement.linear import gram
from aisthesis.agreement.stack import MapStack
from aisthesis.errors import RequestError

__all__ = ["disattenuated", "reliability", "seed_cosines"]

#: Images whose maps of every seed are standardised together.
IMAGES_AT_ONCE = 256

Matrix = NDArray[np.float64]


def reliability(
    maps: Mapping[str, Any], size_px: int = 224, seed: int = 0, n_boot: int = 2000
) -> pd.DataFrame:
    """Mean cosine between a backbone's maps of the same image by heads of different seeds.

    Parameters
    ----------
    maps
        (S, N, h, w) maps by backbone, one per seed and image.
    size_px
        Side of the pixel grid on which maps are z-scored and compared.
    seed, n_boot
        Seed and number of the bootstrap's draws of images.

    Returns
    -------
    DataFrame
        ``backbone, reliability, reliability_low, reliability_high`` (95 % over images),
        ``n`` (images on which it is defined), ``n_seeds``. NaN with a single seed.
    """
    _require_seeds(maps)
    within = np.stack([_mean_cosines(one, one, size_px) for one in maps.values()], axis=1)
    intervals = mean_intervals(within, seed, n_boot)
    return pd.DataFrame(
        {
            "backbone": list(maps),
            "reliability": _mean(within),
            "reliability_low": intervals.low,
            "reliability_high": intervals.high,
            "n": np.isfinite(within).sum(axis=0),
            "n_seeds": [int(one.shape[0]) for one in maps.values()],
        }
    )


def disattenuated(
    maps: Mapping[str, Any], size_px: int = 224, seed: int = 0, n_boot: int = 2000
) -> pd.DataFrame:
    """Cosine agreement of every pair, corrected for what different seeds change in each.

    ``r_ab / sqrt(r_aa * r_bb)``, all three means of cosines between maps of *single* seeds: r_ab
    over all seeds of a with all of b, r_aa and r_bb over different seeds of one backbone. Maps
    averaged over seeds are more reliable than that, so their agreement must not be put into this
    formula.

    Parameters
    ----------
    maps, size_px, seed, n_boot
        As in `reliability`; the same images for every backbone, at least two backbones. An image
        with an undefined map in either backbone is left out of all three means.

    Returns
    -------
    DataFrame
        ``backbone_a, backbone_b, single_seed`` (r_ab), ``disattenuated, disattenuated_low,
        disattenuated_high`` (95 % percentile bootstrap over images), ``disattenuated_n``. NaN
        where a reliability is unknown, zero or negative. Chance in the estimates can carry the
        corrected value beyond 1.

    References
    ----------
    Spearman (1904), "The proof and measurement of association between two things", American
    Journal of Psychology 15(1), 72-101.
    """
    _require_seeds(maps)
    if len(maps) < 2 or len({int(one.shape[1]) for one in maps.values()}) != 1:
        raise RequestError(
            "expected maps of the same images for at least two backbones, got "
            f"{ {name: int(one.shape[1]) for name, one in maps.items()} } images"
        )
    within = {name: _mean_cosines(one, one, size_px) for name, one in maps.items()}
    rows = []
    for a, b in combinations(maps, 2):
        terms = np.stack([_mean_cosines(maps[a], maps[b], size_px), within[a], within[b]], axis=1)
        terms[~np.isfinite(terms).all(axis=1)] = np.nan
        interval = percentile_intervals(_corrected(resampled_means(terms, seed, n_boot))[:, None])
        n = int(np.isfinite(terms[:, 0]).sum())
        value = _corrected(_mean(terms)[None])[0]
        usable = np.isfinite(value) and n > 1
        rows.append(
            {
                "backbone_a": a,
                "backbone_b": b,
                "single_seed": _mean(terms)[0],
                "disattenuated": value,
                "disattenuated_low": interval.low[0] if usable else np.nan,
                "disattenuated_high": interval.high[0] if usable else np.nan,
                "disattenuated_n": n,
            }
        )
    return pd.DataFrame(rows)


def seed_cosines(maps_a: Any, maps_b: Any, size_px: int = 224) -> Matrix:
    """Cosine of z-scored maps for every seed of one stack with every seed of another.

    Parameters
    ----------
    maps_a, maps_b
        (S, N, h, w) and (T, N, h', w') maps of the same N images.
    size_px
        Side of the pixel grid.

    Returns
    -------
    ndarray
        (N, S, T) float64; NaN where a map is flat or not finite.
    """
    n = int(maps_a.shape[1])
    parts = [np.empty((0, int(maps_a.shape[0]), int(maps_b.shape[0])))]
    for start in range(0, n, IMAGES_AT_ONCE):
        chunk = slice(start, start + IMAGES_AT_ONCE)
        a, b = _standardised(maps_a[:, chunk], size_px), _standardised(maps_b[:, chunk], size_px)
        gram_y = gram(a.shape[2], b.shape[2], size_px).to(a.device)
        gram_x = gram(a.shape[3], b.shape[3], size_px).to(a.device)
        onto_b = (gram_y.mT @ a @ gram_x).flatten(2)  # (N, S, h' w')
        parts.append((onto_b @ b.flatten(2).mT).clamp(-1, 1).cpu().numpy())
    return np.concatenate(parts)


def _standardised(maps: Any, size_px: int) -> torch.Tensor:
    """(N, S, h, w) maps of mean 0 and SD 1 on the pixel grid; NaN where undefined."""
    seeds, n = int(maps.shape[0]), int(maps.shape[1])
    stack = MapStack.of(maps.reshape(seeds * n, *maps.shape[2:]), size_px)
    small = stack.small.masked_fill(stack.undefined[:, None, None], float("nan"))
    return small.reshape(seeds, n, *stack.native_size).transpose(0, 1)


def _mean_cosines(maps_a: Any, maps_b: Any, size_px: int) -> Matrix:
    """(N,) mean over pairs of seeds; over different seeds where both are the same backbone."""
    cosines = seed_cosines(maps_a, maps_b, size_px)
    seeds = cosines.shape[1]
    if maps_a is not maps_b:
        mean: Matrix = cosines.mean(axis=(1, 2))
        return mean
    if seeds < 2:
        return np.full(len(cosines), np.nan)
    upper = np.triu_indices(seeds, k=1)
    different: Matrix = cosines[:, upper[0], upper[1]].mean(axis=1)
    return different


def _corrected(means: Matrix) -> Matrix:
    agreement, reliability_a, reliability_b = means.T
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected = agreement / np.sqrt(reliability_a * reliability_b)
        positive = (reliability_a > 0) & (reliability_b > 0)
    result: Matrix = np.where(positive, corrected, np.nan)
    return result


def _mean(values: Matrix) -> Matrix:
    """Mean of each column without NaN; NaN where nothing is left."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean: Matrix = np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0)
    return mean


def _require_seeds(maps: Mapping[str, Any]) -> None:
    wrong = {name: tuple(one.shape) for name, one in maps.items() if len(one.shape) != 4}
    if wrong:
        raise RequestError(
            f"expected maps of shape (seeds, N, h, w) for each backbone, got {wrong}; "
            "give the maps of the single seeds, not their average"
        )
