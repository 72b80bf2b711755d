"""How well predictions agree with human ratings, with intervals over images."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from aisthesis.maps.aligned import VALUES, aligned
from aisthesis.stats.bootstrap import mean_intervals
from aisthesis.stats.correlation import (
    MOST_IN_PAIRS,
    kendall,
    kendall_of_draws,
    pearson,
    spearman,
)
from aisthesis.stats.jackknife import Scale, jackknife, left_out, studentised_interval

__all__ = ["PREDICTION_METRICS", "evaluate", "jackknifed"]

Array = NDArray[np.float64]


def _krcc(rating: Array, prediction: Array) -> Array:
    return np.asarray(kendall(rating, prediction))


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
    {"plcc": pearson, "srcc": spearman, "krcc": _krcc, "rmse": _rmse, "mae": _mae, "r2": _r2}
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
        Draws of the images for the intervals of RMSE and MAE; 0 leaves every interval NaN.
    seed : int
        Of the resampling: the same seed resamples the same images for every predictor.

    Returns
    -------
    dict
        `n`; `plcc` (Pearson), `srcc` (Spearman), `krcc` (Kendall's tau-b), all in [-1, 1];
        `rmse` and `mae` in rating units; `r2` (1 - SSE/SST, at most 1); and `_low` and `_high`
        of each. NaN where undefined: fewer than two images (three
        for a correlation, four for its interval), or no variation. Intervals of correlations and
        R² are studentised by the jackknife (`aisthesis.stats.jackknife`), those of RMSE and MAE by
        the bootstrap.
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
    intervals = _intervals(y, f, n_boot, seed) if n_boot else None
    for name, metric in PREDICTION_METRICS.items():
        enough = n >= _FEWEST[name]
        result[name] = float(metric(y, f)) if enough else np.nan
        low, high = intervals(name, result[name]) if enough and intervals else (np.nan, np.nan)
        result[f"{name}_low"], result[f"{name}_high"] = low, high
    return result


def jackknifed(name: str, y: Array, f: Array, without: NDArray[np.bool_]) -> Array:
    """Score with images left out.

    Parameters
    ----------
    name
        Of the score.
    y, f
        (N,) ratings and predictions.
    without
        (groups, N) of `aisthesis.stats.jackknife.left_out`.

    Returns
    -------
    ndarray
        (groups,); NaN where undefined.
    """
    if name == "krcc" and len(y) <= MOST_IN_PAIRS:
        return kendall_of_draws(y, f, (~without).astype(np.float64))
    if name == "krcc":
        return np.array([kendall(y[~own], f[~own]) for own in without])
    metric = PREDICTION_METRICS[name]
    return jackknife(lambda kept: metric(y[kept], f[kept]), without)


def _intervals(
    y: Array, f: Array, n_boot: int, seed: int
) -> Callable[[str, float], tuple[float, float]]:
    """Give the function of a metric's name and value to its 95 % interval over images."""
    error = np.abs(y - f)
    without = left_out(len(y), seed)

    def interval(name: str, value: float) -> tuple[float, float]:
        if name in ("rmse", "mae"):
            each = error**2 if name == "rmse" else error
            ends = mean_intervals(each[:, None], seed, n_boot, bounds=(0.0, np.inf))
            low, high = float(ends.low[0]), float(ends.high[0])
            return (low**0.5, high**0.5) if name == "rmse" else (low, high)
        each = jackknifed(name, y, f, without)
        scale: Scale = "share left" if name == "r2" else "correlation"
        return studentised_interval(value, each, len(y), scale)

    return interval
