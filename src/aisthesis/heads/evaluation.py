"""How well predictions agree with human ratings, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from aisthesis.aligned import VALUES, aligned

__all__ = ["PREDICTION_METRICS", "evaluate"]

Array = NDArray[np.float64]
_RESIDUE = 1e-12  # of the values; what a mean's rounding leaves of a constant is a thousandth


def _plcc(rating: Array, prediction: Array) -> Array:
    a = rating - rating.mean(-1, keepdims=True)
    b = prediction - prediction.mean(-1, keepdims=True)
    size_a, size_b = np.sqrt((a**2).sum(-1)), np.sqrt((b**2).sum(-1))
    # Relative to the values: the residue of rounding in a constant must not pass for variance.
    varies = size_a > _RESIDUE * np.sqrt((rating**2).sum(-1))
    varies &= size_b > _RESIDUE * np.sqrt((prediction**2).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(varies, (a * b).sum(-1) / (size_a * size_b), np.nan)


def _srcc(rating: Array, prediction: Array) -> Array:
    return _plcc(rankdata(rating, axis=-1), rankdata(prediction, axis=-1))


def _krcc(rating: Array, prediction: Array) -> Array:
    return np.asarray(kendalltau(rating, prediction).statistic)


def _krcc_resampled(rating: Array, prediction: Array, resamples: NDArray[np.intp]) -> Array:
    """Tau-b of every resample, from how often each image was drawn.

    With w the times each image was drawn, every sum over pairs of a resample is a quadratic form
    w'Sw of the sample's own matrix of pair signs, so a thousand resamples are one matrix product.
    """
    n = len(rating)
    drawn = np.stack([np.bincount(row, minlength=n) for row in resamples]).astype(np.float64)
    sign_a = np.sign(rating[:, None] - rating[None, :])
    sign_b = np.sign(prediction[:, None] - prediction[None, :])

    def over_pairs(signs: Array) -> Array:
        return ((drawn @ signs) * drawn).sum(-1)

    norm = np.sqrt(over_pairs(np.abs(sign_a)) * over_pairs(np.abs(sign_b)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, over_pairs(sign_a * sign_b) / norm, np.nan)


def _rmse(rating: Array, prediction: Array) -> Array:
    return np.sqrt(((rating - prediction) ** 2).mean(-1))


def _mae(rating: Array, prediction: Array) -> Array:
    return np.abs(rating - prediction).mean(-1)


def _r2(rating: Array, prediction: Array) -> Array:
    total = ((rating - rating.mean(-1, keepdims=True)) ** 2).sum(-1)
    residual = ((rating - prediction) ** 2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 1.0 - residual / total, np.nan)


PREDICTION_METRICS: MappingProxyType[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {"plcc": _plcc, "srcc": _srcc, "krcc": _krcc, "rmse": _rmse, "mae": _mae, "r2": _r2}
)


# Two points always lie on a line: a correlation of two images is 1 or -1 and says nothing.
_FEWEST = {"plcc": 3, "srcc": 3, "krcc": 3, "r2": 2, "rmse": 2, "mae": 2}


def evaluate(
    ratings: NDArray[np.floating],
    predictions: NDArray[np.floating],
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Score predictions against human ratings.

    Parameters
    ----------
    ratings, predictions : array, shape (N,)
        In rating units. Two Series are compared by the names in their index.
    n_boot : int
        Resamples of the images for the 95% percentile intervals; 0 leaves the intervals NaN.
    seed : int
        Of the resampling: the same seed resamples the same images for every predictor.

    Returns
    -------
    dict
        `n`; `plcc` (Pearson), `srcc` (Spearman), `krcc` (Kendall's tau-b), all in [-1, 1];
        `rmse` and `mae` in rating units; `r2` (1 - SSE/SST, at most 1); and `_low` and `_high`
        of each. NaN where undefined: fewer than two images (three
        for a correlation), or no variation.
    """
    same = aligned({"ratings": ratings, "predictions": predictions}, VALUES).arrays
    y: Array = np.asarray(same["ratings"], dtype=np.float64)
    f: Array = np.asarray(same["predictions"], dtype=np.float64)
    if y.shape != f.shape or y.ndim != 1:
        raise ValueError(
            f"expected ratings and predictions of one shape (N,), got {y.shape} and {f.shape}"
        )
    n = len(y)
    result: dict[str, float] = {"n": n}
    resamples = (
        np.random.default_rng(seed).integers(n, size=(n_boot, n)) if n > 1 and n_boot else None
    )
    for name, metric in PREDICTION_METRICS.items():
        result[name] = float(metric(y, f)) if n >= _FEWEST[name] else np.nan
        low, high = np.nan, np.nan
        if resamples is not None and n >= _FEWEST[name]:
            if name == "krcc":
                values = _krcc_resampled(y, f, resamples)
            else:
                values = metric(y[resamples], f[resamples])
            if np.isfinite(values).any():
                low, high = np.nanpercentile(values, [2.5, 97.5])
        result[f"{name}_low"], result[f"{name}_high"] = float(low), float(high)
    return result
