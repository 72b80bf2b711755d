"""Second-order agreement: how far two matrices of dissimilarities tell the same story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aisthesis.stats.ranks import average_ranks

__all__ = ["MEASURES", "MEASURE_WORDS", "Measure", "row_agreement", "second_order", "valid_pairs"]

Array = NDArray[np.float64]
Measure = Literal["pearson", "spearman", "cosine", "whitened_cosine"]

MEASURES: tuple[str, ...] = get_args(Measure)
MEASURE_WORDS = {
    "pearson": "Pearson’s r",
    "spearman": "Spearman’s rho",
    "cosine": "cosine",
    "whitened_cosine": "whitened cosine",
}

_FEWEST_PAIRS = 3  # two points always lie on a line
# Relative to the values: the residue of rounding in a constant must not pass for variance.
_FLOOR = 1e-12


def valid_pairs(dissimilarity: Array) -> Array:
    """Mask of the pairs that can be compared.

    Parameters
    ----------
    dissimilarity : (N, N)
        NaN where a pair was not judged.

    Returns
    -------
    (N, N)
        1.0 where a pair of different images has a value, else 0.0.
    """
    mask = np.isfinite(dissimilarity).astype(np.float64)
    np.fill_diagonal(mask, 0.0)
    return mask


def second_order(
    a: Array, b: Array, mask: Array | None = None, *, measure: str = "pearson"
) -> NDArray[np.float64]:
    """Agreement between matrices of dissimilarities, over the pairs that both hold.

    Parameters
    ----------
    a : (..., N, N)
        Symmetric dissimilarities; the diagonal plays no part.
    b : (N, N)
        Likewise.
    mask : (N, N), optional
        1.0 for the pairs to compare, symmetric, zero on the diagonal; default all pairs of
        different images. Values at other pairs must be finite too.
    measure : {"pearson", "spearman", "cosine", "whitened_cosine"}
        `whitened_cosine` weights the pairs by the inverse of the covariance that independent
        measurement noise in the images gives to dissimilarities that share an image (Diedrichsen
        et al. 2020); it is computed in closed form, missing pairs included.

    Returns
    -------
    (...)
        In [-1, 1]; NaN with fewer than three pairs or where a side is constant (for the cosines:
        zero).

    Notes
    -----
    Pearson's and Spearman's values are the same for similarities on both sides; the cosines are
    not, so dissimilarities are what everything here takes.
    """
    if mask is None:
        mask = 1.0 - np.eye(a.shape[-1])
    if measure == "spearman":
        i, j = np.nonzero(np.triu(mask))
        return _pearson(average_ranks(a[..., i, j]), average_ranks(b[i, j]), np.ones(len(i)), (-1,))
    return _OF_MATRICES[measure](a, b, mask, (-2, -1))


def row_agreement(a: Array, b: Array, mask: Array, *, measure: str = "pearson") -> Array:
    """Agreement of each image's row of dissimilarities, over the images it can be compared to.

    Parameters
    ----------
    a : (..., N, N)
        Row i holds the dissimilarities of image i to the others; it need not be symmetric.
    b, mask : (N, N)
        As in `second_order`.

    Returns
    -------
    (..., N)
        NaN where an image has fewer than three pairs, or a row is constant.
    """
    if measure == "spearman":
        a = _ranks_in_rows(a, mask)
        b = _ranks_in_rows(b, mask)
        return _pearson(a, b, mask, (-1,))
    return _OF_ROWS[measure](a, b, mask, (-1,))


def _ranks_in_rows(values: Array, mask: Array) -> Array:
    """Ranks among the masked entries of each row; 0 elsewhere."""
    # Entries that do not count come last and so leave the ranks of the others alone.
    ranks = average_ranks(np.where(mask > 0, values, np.inf))
    return np.where(mask > 0, ranks, 0.0)


def _pearson(a: Array, b: Array, mask: Array, axes: tuple[int, ...]) -> Array:
    n = mask.sum(axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        a0 = (a - _spread((a * mask).sum(axes) / n, axes)) * mask
        b0 = (b - _spread((b * mask).sum(axes) / n, axes)) * mask
        norm = np.sqrt((a0**2).sum(axes) * (b0**2).sum(axes))
        floor = _FLOOR * np.sqrt(((a * mask) ** 2).sum(axes) * ((b * mask) ** 2).sum(axes))
        value = (a0 * b0).sum(axes) / norm
    return np.where((norm > floor) & _enough(n, axes), value, np.nan)


def _cosine(a: Array, b: Array, mask: Array, axes: tuple[int, ...]) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt((a**2 * mask).sum(axes) * (b**2 * mask).sum(axes))
        value = (a * b * mask).sum(axes) / norm
    return np.where((norm > 0) & _enough(mask.sum(axes), axes), value, np.nan)


def _whitened(a: Array, b: Array, mask: Array, axes: tuple[int, ...]) -> Array:
    inner = _Whitening(mask).inner
    aa, bb, ab = inner(a, a), inner(b, b), inner(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = ab / np.sqrt(aa * bb)
    return np.where((aa > 0) & (bb > 0) & _enough(mask.sum(axes), axes), value, np.nan)


def _whitened_rows(a: Array, b: Array, mask: Array, axes: tuple[int, ...]) -> Array:
    """Pairs that all share one image: V = 3I + 11', so V⁻¹ = (I - 11'/(n + 3))/3."""
    n = mask.sum(-1)

    def inner(x: Array, y: Array) -> Array:
        sums = (x * mask).sum(-1) * (y * mask).sum(-1)
        return (x * y * mask).sum(-1) - sums / (n + 3)

    aa, bb, ab = inner(a, a), inner(b, b), inner(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = ab / np.sqrt(aa * bb)
    return np.where((aa > 0) & (bb > 0) & (n >= _FEWEST_PAIRS), value, np.nan)


@dataclass(frozen=True)
class _Whitening:
    """The inner product x'V⁻¹y over pairs, V_(ij)(kl) = (δik - δil - δjk + δjl)².

    V is 4 for the same pair, 1 for pairs that share an image and 0 otherwise, so
    (Vx)_ij = 2 x_ij + r_i + r_j with r the sums of x's rows. From y = Vx follows
    (2I + diag(n) + M) r = (sums of y's rows), n the number of each image's pairs and M the mask:
    one system of N equations in place of one with as many as there are pairs.
    """

    mask: Array

    def inner(self, x: Array, y: Array) -> Array:
        mask = self.mask
        x_rows, y_rows = (x * mask).sum(-1), (y * mask).sum(-1)
        system = mask + np.diag(2.0 + mask.sum(-1))
        rows = np.linalg.solve(system, y_rows[..., None])[..., 0]
        return ((x * y * mask).sum((-2, -1)) / 2 - (x_rows * rows).sum(-1)) / 2


def _spread(value: Array, axes: tuple[int, ...]) -> Array:
    return np.expand_dims(value, axes)


def _enough(n: Array, axes: tuple[int, ...]) -> NDArray[np.bool_]:
    # Both triangles of a matrix are summed, so each pair is counted twice there.
    return n >= _FEWEST_PAIRS * len(axes)


_OF_MATRICES: dict[str, Callable[..., Array]] = {
    "pearson": _pearson,
    "cosine": _cosine,
    "whitened_cosine": _whitened,
}
_OF_ROWS: dict[str, Callable[..., Array]] = {
    "pearson": _pearson,
    "cosine": _cosine,
    "whitened_cosine": _whitened_rows,
}
