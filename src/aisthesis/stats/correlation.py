"""Correlations along an axis: NaN where a side is constant, many samples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisthesis.stats.ranks import average_ranks

__all__ = [
    "MOST_IN_PAIRS",
    "kendall",
    "kendall_of_draws",
    "pearson",
    "pearson_of_draws",
    "spearman",
]

Array = NDArray[np.float64]
#: Values up to which all pairs of them are held at once: a matrix of 8 MB.
MOST_IN_PAIRS = 1024
_RESIDUE = 1e-12  # of the values; what a mean's rounding leaves of a constant is a thousandth


def pearson(x: Array, y: Array, axis: int = -1) -> Array:
    """Pearson's r of two arrays of broadcastable shapes along an axis, -1 to 1.

    `scipy.stats.pearsonr` without its p value, which costs a hundred times as much in a bootstrap;
    NaN instead of a warning where a side is constant but for rounding.
    """
    a, b = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
    size_a, size_b = np.sqrt((a**2).sum(axis)), np.sqrt((b**2).sum(axis))
    # Relative to the values: the residue of rounding in a constant must not pass for variance.
    varies = size_a > _RESIDUE * np.sqrt((x**2).sum(axis))
    varies = varies & (size_b > _RESIDUE * np.sqrt((y**2).sum(axis)))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (a * b).sum(axis) / (size_a * size_b)
    return np.where(varies, np.clip(r, -1.0, 1.0), np.nan)


def pearson_of_draws(x: Array, y: Array, counts: Array) -> Array:
    """Pearson's r of several samples in many draws, from how often each draw holds each image.

    Parameters
    ----------
    x, y
        (K, N): K pairs of samples of the same N images.
    counts
        (draws, N).

    Returns
    -------
    ndarray
        (draws, K); NaN where a side is constant.
    """
    a, b = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    total = counts.sum(1, keepdims=True)
    mean_a, mean_b = counts @ a.T / total, counts @ b.T / total
    covariance = counts @ (a * b).T / total - mean_a * mean_b
    variance_a = counts @ (a**2).T / total - mean_a**2
    variance_b = counts @ (b**2).T / total - mean_b**2
    # What rounding leaves of a constant must not pass for variance.
    floors = [_RESIDUE**2 * np.maximum((z**2).mean(1), np.finfo(float).tiny) for z in (x, y)]
    varies = (variance_a > floors[0]) & (variance_b > floors[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        r = covariance / np.sqrt(variance_a * variance_b)
    return np.where(varies, np.clip(r, -1.0, 1.0), np.nan)


def spearman(x: Array, y: Array, axis: int = -1) -> Array:
    """Spearman's rho along an axis, ties given their average rank, -1 to 1."""
    return pearson(average_ranks(x, axis), average_ranks(y, axis), axis)


def kendall(x: Array, y: Array) -> float:
    """Kendall's tau-b of (N,) values, -1 to 1; NaN where a side is constant."""
    if len(x) > MOST_IN_PAIRS:
        from scipy.stats import kendalltau  # takes a second to load

        return float(kendalltau(x, y).statistic)
    return float(kendall_of_draws(x, y, np.ones((1, len(x))))[0])


def kendall_of_draws(x: Array, y: Array, counts: Array) -> Array:
    """Tau-b of many draws of (N,) values, from how often each draw holds each.

    Every sum over pairs of a draw is a quadratic form w'Sw of the sample's own matrix of pair
    signs, so a thousand draws are one matrix product.

    Parameters
    ----------
    x, y
        (N,).
    counts
        (draws, N).

    Returns
    -------
    ndarray
        (draws,); NaN where a side is constant.
    """
    sign_x = np.sign(x[:, None] - x[None, :])
    sign_y = np.sign(y[:, None] - y[None, :])

    def over_pairs(signs: Array) -> Array:
        total: Array = ((counts @ signs) * counts).sum(-1)
        return total

    norm = np.sqrt(over_pairs(np.abs(sign_x)) * over_pairs(np.abs(sign_y)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, over_pairs(sign_x * sign_y) / norm, np.nan)
