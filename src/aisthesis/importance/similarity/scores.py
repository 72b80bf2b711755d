r"""Alignment importance of channels for similarity judgments.

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
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.importance.similarity.embeddings import Embeddings, OwnedEmbeddings
from aisthesis.judgments.second_order import row_agreement, second_order, valid_pairs

__all__ = ["AlignmentScores", "Removal", "alignment_scores", "dissimilarity_of", "standard_rows"]

Array = NDArray[np.float64]
Removal = Literal["ablate", "delete"]
Advance = Callable[[int], None]

_FLAT = 1e-12
_ENTRIES_AT_ONCE = 12_000  # of an array (N, C): small enough for the processor's cache
_FEWEST_AT_ONCE = 64


@dataclass(frozen=True)
class AlignmentScores:
    """Agreement with people, and what each channel contributes to it; NaN where undefined.

    Attributes
    ----------
    agreement : float
        Second-order agreement of the intact embeddings with the human dissimilarities.
    data_set : (C,)
        AIS_c: agreement minus agreement with channel c removed for all images.
    image_agreement : (N,)
        Agreement of each image's row; empty if not asked for.
    image : (N, C)
        AIS_ic: the row's agreement minus that with channel c removed from image i alone.
    n_flat : int
        Images whose embedding is constant and so correlates with nothing; their pairs are left
        out.
    """

    agreement: float
    data_set: Array
    image_agreement: Array
    image: Array
    n_flat: int


def standard_rows(embedding: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Rows centred and of length one, their lengths before, and which are constant."""
    mean = embedding.mean(1)
    centred = embedding - mean[:, None]
    squares = np.einsum("ij,ij->i", centred, centred)
    length = np.sqrt(squares)
    # Beside the length of the row as it is: what rounding leaves of a constant is no variation.
    whole = np.sqrt(squares + embedding.shape[1] * mean**2)
    flat = length <= _FLAT * whole
    length = np.where(flat, 1.0, length)
    centred /= length[:, None]
    centred[flat] = 0.0
    return centred, length, flat


def dissimilarity_of(embedding: Array) -> Array:
    """1 - Pearson's r between the rows of (N, D); NaN for a constant row.

    Parameters
    ----------
    embedding : (N, D)

    Returns
    -------
    (N, N)
        In [0, 2], 0 on the diagonal.
    """
    z, _, flat = standard_rows(np.asarray(embedding, dtype=np.float64))
    result = 1.0 - np.clip(z @ z.T, -1.0, 1.0)
    result[flat] = np.nan
    result[:, flat] = np.nan
    np.fill_diagonal(result, 0.0)
    return result


def alignment_scores(
    embeddings: Embeddings,
    dissimilarity: Array,
    *,
    measure: str = "pearson",
    removal: Removal = "ablate",
    images: bool = True,
    advance: Advance = lambda n: None,
) -> AlignmentScores:
    """Importance of every channel for the agreement with people.

    The correlation matrix without a channel is updated, not recomputed: the cost is linear in
    channels and quadratic in images.

    Parameters
    ----------
    embeddings : OwnedEmbeddings or DenseEmbeddings
        Of N images and C channels.
    dissimilarity : (N, N)
        Human dissimilarities, symmetric; NaN where a pair was not judged.
    measure : {"pearson", "spearman", "cosine", "whitened_cosine"}
        How the two matrices are compared.
    removal : {"ablate", "delete"}
        What the data set's AIS removes: the channel's effect on the embedding, exactly as the
        network computes it without the channel, or the entries of the embedding that depend on
        the channel. An image's own AIS always removes the effect: the image could not be compared
        with the others by entries that it alone had lost.
    images : bool
        Whether each image's scores are wanted too.
    advance : callable
        Told how many channels were just done.

    Returns
    -------
    AlignmentScores

    Raises
    ------
    RequestError
        If the shapes do not belong together, or `delete` is asked for where channels own no
        entries of the embedding.

    References
    ----------
    Truong, Pesenti & Hasson, arXiv 2409.16292; method.md, section 5.
    """
    human = np.asarray(dissimilarity, dtype=np.float64)
    if human.shape != (embeddings.n, embeddings.n):
        raise RequestError(
            f"expected dissimilarities ({embeddings.n}, {embeddings.n}) for {embeddings.n} "
            f"embeddings, got {human.shape}"
        )
    if removal == "delete" and not isinstance(embeddings, OwnedEmbeddings):
        raise RequestError(
            "removal = 'delete' needs an embedding each entry of which depends on one channel; "
            "here every channel reaches every entry: use 'ablate'"
        )
    set_up = _set_up(embeddings, human)
    summed = measure in ("pearson", "cosine")
    if summed and isinstance(embeddings, OwnedEmbeddings) and embeddings.column is not None:
        return _by_matrix_products(embeddings, set_up, measure, removal, images, advance)
    return _channel_by_channel(embeddings, set_up, measure, removal, images, advance)


@dataclass(frozen=True)
class _SetUp:
    z: Array  # (N, D), centred rows of length one
    length: Array  # (N,) of the rows before
    p: Array  # (N, N), correlations
    human: Array  # (N, N), finite
    mask: Array  # (N, N)
    n_flat: int


def _set_up(embeddings: Embeddings, human: Array) -> _SetUp:
    z, length, flat = standard_rows(embeddings.intact)
    mask = valid_pairs(human)
    mask[flat] = 0.0
    mask[:, flat] = 0.0
    return _SetUp(z, length, z @ z.T, np.where(mask > 0, human, 0.0), mask, int(flat.sum()))


def _by_matrix_products(
    embeddings: OwnedEmbeddings,
    set_up: _SetUp,
    measure: str,
    removal: Removal,
    images: bool,
    advance: Advance,
) -> AlignmentScores:
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
    return AlignmentScores(whole.agreement, data_set, own, image, set_up.n_flat)


def _rank_two(z: Array, d: Array, dimension: int, removal: Removal) -> tuple[Array, Array]:
    """Vectors a and b (N, C) of the update P + ab' + ba'."""
    if removal == "ablate":
        return z + d * (1 - 1 / dimension) / 2, d
    # Deletion: the other entries of a centred row sum to -z, and there are D - 1 of them.
    return z * (-dimension / (2 * (dimension - 1))), z


class _WholeMatrix:
    """Agreement of the whole matrix, intact and without channels."""

    def __init__(self, set_up: _SetUp, measure: str) -> None:
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
        if diagonal.min(initial=1.0) <= _FLAT:  # a row that is constant without the channel
            diagonal[diagonal <= _FLAT] = np.nan
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

    def __init__(self, set_up: _SetUp, measure: str) -> None:
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
                own = np.where(square > _FLAT, square, np.nan) ** -0.5
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
                defined = variance > _FLAT * self.squares
                value = -(self.sh - self.s * self.h / self.n) / norm
            else:
                own = self.n - 2 * self.s + self.squares
                norm = np.sqrt(own * self.h_squares)
                value, defined = (self.h - self.sh) / norm, own > _FLAT * self.n
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


def _channel_by_channel(
    embeddings: Embeddings,
    set_up: _SetUp,
    measure: str,
    removal: Removal,
    images: bool,
    advance: Advance,
) -> AlignmentScores:
    """The same where a channel changes several entries, or all, or where values are ranked."""
    full = float(second_order(1 - set_up.p, set_up.human, set_up.mask, measure=measure))
    row_full = row_agreement(1 - set_up.p, set_up.human, set_up.mask, measure=measure)
    data_set = np.zeros(embeddings.channels)
    image = np.zeros((embeddings.n, embeddings.channels))
    for channel in range(embeddings.channels):
        columns, by = embeddings.change(channel)
        if len(columns):
            update = _Update(set_up, set_up.z[:, columns], by / set_up.length[:, None])
            changed = update.data_set(removal)
            value = second_order(1 - changed, set_up.human, set_up.mask, measure=measure)
            data_set[channel] = full - float(value)
            if np.isnan(changed).any():
                data_set[channel] = np.nan
            if images:
                rows = row_agreement(1 - update.rows(), set_up.human, set_up.mask, measure=measure)
                image[:, channel] = row_full - rows
        advance(1)
    image[np.isnan(row_full)] = np.nan
    if not images:
        row_full, image = np.empty(0), np.empty((0, embeddings.channels))
    return AlignmentScores(full, data_set, row_full, image, set_up.n_flat)


@dataclass(frozen=True)
class _Update:
    """One channel's entries, standardised z (N, m), and what is added to them, d (N, m)."""

    set_up: _SetUp
    z: Array
    d: Array

    def data_set(self, removal: Removal) -> Array:
        """Correlations (N, N) with the channel removed from every image."""
        dimension = self.set_up.z.shape[1]
        p = self.set_up.p
        if removal == "delete":
            total = self.z.sum(1)
            rest = dimension - self.z.shape[1]
            p = p - self.z @ self.z.T - np.outer(total, total) / max(rest, 1)
        else:
            total = self.d.sum(1)
            cross = self.d @ self.z.T
            p = p + cross + cross.T + self.d @ self.d.T - np.outer(total, total) / dimension
        diagonal = np.diag(p)
        with np.errstate(invalid="ignore"):
            q = np.where(diagonal > _FLAT, diagonal, np.nan) ** -0.5
        flat = ~(self.set_up.mask.sum(1) > 0)
        q[flat] = 0.0  # has no pairs to begin with
        return p * q * q[:, None]

    def rows(self) -> Array:
        """Row i: correlations of image i without the channel with the others as they are."""
        total = self.d.sum(1)
        dimension = self.set_up.z.shape[1]
        square = 1 + 2 * (self.d * self.z).sum(1) + (self.d**2).sum(1) - total**2 / dimension
        with np.errstate(invalid="ignore", divide="ignore"):
            length = np.sqrt(np.where(square > _FLAT, square, np.nan))
        return (self.set_up.p + self.d @ self.z.T) / length[:, None]
