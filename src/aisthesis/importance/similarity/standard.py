"""Embeddings and judgments made ready: standardised rows, correlations, the pairs that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.importance.similarity.embeddings import Embeddings
from aisthesis.judgments.similarity.second_order import valid_pairs

__all__ = ["FLAT", "SetUp", "dissimilarity_of", "set_up", "standard_rows"]

Array = NDArray[np.float64]

#: Share of a row's length below which its variation is what rounding leaves of a constant.
FLAT = 1e-12


def standard_rows(embedding: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Rows centred and of length one, their lengths before, and which are constant."""
    mean = embedding.mean(1)
    centred = embedding - mean[:, None]
    squares = np.einsum("ij,ij->i", centred, centred)
    length = np.sqrt(squares)
    # Beside the length of the row as it is: what rounding leaves of a constant is no variation.
    whole = np.sqrt(squares + embedding.shape[1] * mean**2)
    flat = length <= FLAT * whole
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


@dataclass(frozen=True)
class SetUp:
    """What every way to compute the scores starts from."""

    z: Array  # (N, D), centred rows of length one
    length: Array  # (N,) of the rows before
    p: Array  # (N, N), correlations
    human: Array  # (N, N), finite
    mask: Array  # (N, N)
    n_flat: int


def set_up(embeddings: Embeddings, human: Array) -> SetUp:
    """Standardise the embeddings; leave out pairs of constant ones and those not judged."""
    z, length, flat = standard_rows(embeddings.intact)
    mask = valid_pairs(human)
    mask[flat] = 0.0
    mask[:, flat] = 0.0
    return SetUp(z, length, z @ z.T, np.where(mask > 0, human, 0.0), mask, int(flat.sum()))
