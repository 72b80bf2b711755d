r"""Scores of all channels at once, where each is one entry of the embedding.

Rows of the embedding are centred and scaled to length one, z, so that their correlation matrix is
P = zz'. Removing channel c adds d_c to the entries that depend on it. Then

P' = P + zd' + dz' + dd' - tt'/D,  t = the row sums of d,

before it is scaled to a unit diagonal again. Where each channel is one entry, P' = P + ab' + ba'
with b = d and a = z_c + d (1 - 1/D)/2, and the sums over pairs that a correlation is made of are
quadratic forms in q = diag(P')^(-1/2), qa and qb: matrix products for all channels at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.importance.similarity.embeddings import OwnedEmbeddings
from aisthesis.importance.similarity.standard import FLAT, SetUp
from aisthesis.judgments.similarity.second_order import row_agreement

__all__ = ["by_matrix_products"]

Array = NDArray[np.float64]

# Of an array (N, C): small enough for the processor's cache, and for the products of few images to
# stay on one thread, where waiting for others would cost more than they bring.
_ENTRIES_AT_ONCE = 8_000
_FEWEST_AT_ONCE = 64


def by_matrix_products(
    embeddings: OwnedEmbeddings,
    set_up: SetUp,
    measure: str,
    removal: str,
    images: bool,
    advance: Callable[[int], None],
) -> tuple[float, Array, Array, Array]:
    """Agreement, AIS of the data set (C,), agreement of each row (N,) and AIS of images (N, C)."""
    column = embeddings.column
    owning = np.flatnonzero(column >= 0)  # type: ignore[operator]
    n, channels = embeddings.n, embeddings.channels
    whole = _WholeMatrix(set_up, measure)
    rows = _Rows(set_up, measure) if images else None
    dimension = embeddings.intact.shape[1]
    data_set = np.zeros(channels)
    image = np.zeros((n, channels)) if images else np.empty((0, channels))
    at_once = max(_FEWEST_AT_ONCE, _ENTRIES_AT_ONCE // n)
    for first in range(0, len(owning), at_once):
        some = owning[first : first + at_once]
        entries = _as_slice(column[some])  # type: ignore[index]
        z = set_up.z[:, entries]
        d = embeddings.emptied[:, entries] - embeddings.intact[:, entries]
        d /= set_up.length[:, None]
        data_set[some] = whole.agreement - whole.without(*_rank_two(z, d, dimension, removal))
        if rows is not None:
            image[:, some] = rows.agreement[:, None] - rows.without(z, d, dimension)
        advance(len(some))
    own = np.empty(0) if rows is None else rows.agreement
    if rows is not None:
        image[np.isnan(own)] = np.nan
    return whole.agreement, data_set, own, image


def _rank_two(z: Array, d: Array, dimension: int, removal: str) -> tuple[Array, Array]:
    """Vectors a and b (N, C) of the update P + ab' + ba'."""
    if removal == "ablate":
        return z + d * (1 - 1 / dimension) / 2, d
    # Deletion: the other entries of a centred row sum to -z, and there are D - 1 of them.
    return z * (-dimension / (2 * (dimension - 1))), z


class _WholeMatrix:
    """Agreement of the whole matrix, intact and without channels."""

    def __init__(self, set_up: SetUp, measure: str) -> None:
        p, mask = set_up.p, set_up.mask
        h = _centred(set_up.human, mask) if measure == "pearson" else set_up.human
        self.measure, self.mask = measure, mask
        self.p, self.h = p * mask, h * mask  # zero where a pair does not count
        self.ph, self.pp = self.p * h, self.p * p
        self.human = (self.h.sum(), (self.h * h).sum())
        self.complete = bool(mask.sum() == len(mask) * (len(mask) - 1))
        sums = (mask.sum(), self.p.sum(), self.pp.sum(), self.ph.sum())
        self.agreement = float(_Moments(*sums, *self.human).agreement(measure, fewest=6))

    def without(self, a: Array, b: Array) -> Array:
        """Agreement, (C,), where the correlations P become P + ab' + ba', a and b (N, C)."""
        ab = a * b
        diagonal = 1.0 + 2.0 * ab
        if diagonal.min(initial=1.0) <= FLAT:  # a row that is constant without the channel
            diagonal[diagonal <= FLAT] = np.nan
        w = 1.0 / diagonal
        q = np.sqrt(w)
        u, v, uv = q * a, q * b, w * ab
        once, twice = self._over_pairs(u, v, uv)
        s = _form(self.p, q, q) + 2 * once
        sh = _form(self.ph, q, q) + 2 * _form(self.h, u, v)
        squares = _form(self.pp, w, w) + 4 * _form(self.p, q * u, q * v) + 2 * twice
        moments = _Moments(self.mask.sum(), s, squares, sh, *self.human)
        return moments.agreement(self.measure, fewest=6)

    def _over_pairs(self, u: Array, v: Array, uv: Array) -> tuple[Array, Array]:
        """u'Mv, and (u²)'M(v²) + (uv)'M(uv), for the mask M.

        Where it leaves out no pair, M = 11' - I and the forms are products of sums.
        """
        if not self.complete:
            return _form(self.mask, u, v), _form(self.mask, u * u, v * v) + _form(self.mask, uv, uv)
        total = uv.sum(0)
        squares = _dots(u, u) * _dots(v, v) + total * total - 2 * _dots(uv, uv)
        return u.sum(0) * v.sum(0) - total, squares


class _Rows:
    """Agreement of each image's row, intact and with channels removed from that image alone."""

    def __init__(self, set_up: SetUp, measure: str) -> None:
        p, mask, h = set_up.p, set_up.mask, set_up.human
        self.measure, self.mask = measure, mask
        self.n = mask.sum(1, keepdims=True)
        if measure == "pearson":
            h = h - (h * mask).sum(1, keepdims=True) / np.maximum(self.n, 1.0)
        self.p, self.h = p * mask, h * mask
        own = (self.p, self.p * p, self.h * p, self.h, self.h * h)
        self.sums = [matrix.sum(1, keepdims=True) for matrix in own]
        self.agreement = row_agreement(1.0 - p, set_up.human, mask, measure=measure)

    def without(self, z: Array, d: Array, dimension: int) -> Array:
        """Agreement (N, C) where `d` (N, C) is added to the entries `z` of each row."""
        p, pp, ph, h, hh = self.sums
        # The row before it is scaled to length one again: P_ij + d_i z_j.
        s = p + d * (self.mask @ z)
        squares = pp + d * (2 * (self.p @ z) + d * (self.mask @ z**2))
        sh = ph + d * (self.h @ z)
        if self.measure != "pearson":  # which the scale of a row does not touch
            square = 1.0 + d * (2.0 * z + d * (1 - 1 / dimension))
            with np.errstate(invalid="ignore", divide="ignore"):
                own = np.where(square > FLAT, square, np.nan) ** -0.5
            s, squares, sh = s * own, squares * own**2, sh * own
        return _Moments(self.n, s, squares, sh, h, hh).agreement(self.measure, fewest=3)


@dataclass(frozen=True)
class _Moments:
    """Sums over pairs of network similarities s and human dissimilarities h."""

    n: Array
    s: Array
    squares: Array
    sh: Array
    h: Array
    h_squares: Array

    def agreement(self, measure: str, fewest: int) -> Array:
        """Agreement of 1 - s with h."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if measure == "pearson":
                variance = self.squares - self.s**2 / self.n
                norm = np.sqrt(variance * (self.h_squares - self.h**2 / self.n))
                defined = variance > FLAT * self.squares
                value = -(self.sh - self.s * self.h / self.n) / norm
            else:
                own = self.n - 2 * self.s + self.squares
                norm = np.sqrt(own * self.h_squares)
                value, defined = (self.h - self.sh) / norm, own > FLAT * self.n
        return np.where(defined & (norm > 0) & (self.n >= fewest), value, np.nan)


def _centred(h: Array, mask: Array) -> Array:
    return (h - (h * mask).sum() / max(mask.sum(), 1.0)) * mask


def _as_slice(index: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """A slice where the numbers follow each other: a view costs nothing, a selection a copy."""
    first, last = int(index[0]), int(index[-1]) + 1
    consecutive = np.array_equal(index, np.arange(first, last))
    return slice(first, last) if consecutive else index


def _form(matrix: Array, x: Array, y: Array) -> Array:
    """x'My of each pair of columns, (C,)."""
    return _dots(x, matrix @ y)


def _dots(x: Array, y: Array) -> Array:
    """Product of each pair of columns, (C,)."""
    return np.einsum("ic,ic->c", x, y)
