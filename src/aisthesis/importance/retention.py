"""Alignment importance over a data set of ratings, and the channels worth keeping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.stats.correlation import pearson

__all__ = ["best_set", "correlations", "data_set_importance", "retained_sets", "sizes_to_try"]

Array = NDArray[np.float64]
_FEWEST = 3  # two points always lie on a line


def correlations(ratings: Array, predictions: Array) -> Array:
    """Pearson's r of the ratings with each column of predictions.

    Parameters
    ----------
    ratings : (N,)
    predictions : (N, ...)

    Returns
    -------
    (...)
        NaN where a side is constant, or for fewer than three images.
    """
    if len(ratings) < _FEWEST:
        return np.full(predictions.shape[1:], np.nan)
    return pearson(ratings.reshape(-1, *[1] * (predictions.ndim - 1)), predictions, axis=0)


def data_set_importance(ratings: Array, output: Array, delta: Array) -> Array:
    """AIS_c = corr(y, f) - corr(y, f_-c), channel c removed for all images.

    Parameters
    ----------
    ratings : (N,)
        Human ratings y; finite.
    output : (N,)
        Predictions f.
    delta : (N, C)
        What the removal of each channel adds to the prediction.

    Returns
    -------
    (C,)
        Positive where the channel helps the predictions agree with people; NaN where removing it
        makes all predictions the same.

    Raises
    ------
    RequestError
        If the shapes do not belong together.

    References
    ----------
    docs/method.md, section 4.
    """
    if ratings.shape != output.shape or delta.shape[:1] != output.shape or delta.ndim != 2:
        raise RequestError(
            "expected ratings (N,), predictions (N,) and changes (N, C), got "
            f"{ratings.shape}, {output.shape} and {delta.shape}"
        )
    full = correlations(ratings, output[:, None])[0]
    return full - correlations(ratings, output[:, None] + delta)


def sizes_to_try(channels: int, most: int = 64) -> NDArray[np.intp]:
    """Numbers of channels to keep: all up to `most`, else evenly spread, and denser at the start.

    The best number may be one of few channels or nearly all, so both ends have their steps.
    """
    if channels <= most:
        return np.arange(1, channels + 1)
    even = np.linspace(1, channels, most)
    start = np.geomspace(1, channels / 8, most // 4)
    return np.unique(np.concatenate([even, start]).round().astype(np.intp))


def retained_sets(order: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Sets of the first channels of a ranking, (G, C)."""
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return place[None, :] < sizes[:, None]


def best_set(sizes: NDArray[np.intp], agreement: Array) -> int:
    """Number of the set with the highest agreement; the smaller of two equals.

    Raises
    ------
    RequestError
        If agreement is undefined for all.
    """
    if not np.isfinite(agreement).any():
        raise RequestError(
            "the correlation with the ratings is undefined for every number of retained channels: "
            "the predictions are all the same"
        )
    return int(np.nanargmax(agreement))
