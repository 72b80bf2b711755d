"""Alignment importance of places: what a place of an image does to how the image compares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.importance.similarity.standard import standard_rows
from aisthesis.judgments.similarity.second_order import row_agreement, valid_pairs

__all__ = ["pair_places", "place_alignment"]

Array = NDArray[np.float64]


def place_alignment(
    embeddings: Array,
    dissimilarity: Array,
    image: int,
    without: Array,
    *,
    measure: str = "pearson",
) -> Array:
    """Importance of every place of one image for its row's agreement with people.

    ``AIS_i(p) = agreement(S_i, H_i) - agreement(S_i without p, H_i)``: only image i loses the
    place, the other images keep theirs, and the pair (i, i) is left out.

    Parameters
    ----------
    embeddings : (N, D)
        Of all images, intact.
    dissimilarity : (N, N)
        Human dissimilarities; NaN where a pair was not judged.
    image : int
        Number i of the image.
    without : (P, D)
        Its embedding with each of P places removed.
    measure : {"pearson", "spearman", "cosine", "whitened_cosine"}
        How the rows are compared.

    Returns
    -------
    (P,)
        In [-2, 2], positive where the place makes the image compare as people compare it; NaN
        where the row's agreement is undefined or the embedding becomes constant.

    Raises
    ------
    RequestError
        If the shapes do not belong together.
    """
    _check(embeddings, without)
    z, _, flat = standard_rows(np.asarray(embeddings, dtype=np.float64))
    mask = valid_pairs(np.asarray(dissimilarity, dtype=np.float64))[image]
    mask = np.where(flat, 0.0, mask)
    human = np.where(mask > 0, dissimilarity[image], 0.0)
    moved, _, gone = standard_rows(np.asarray(without, dtype=np.float64))
    rows = np.concatenate([z[image][None], moved]) @ z.T
    agreement = row_agreement(
        1 - rows,
        np.broadcast_to(human, rows.shape),
        np.broadcast_to(mask, rows.shape),
        measure=measure,
    )
    scores = agreement[0] - agreement[1:]
    scores[gone] = np.nan
    return np.full(len(scores), np.nan) if flat[image] else scores


def pair_places(without: Array, intact: Array, other: Array) -> Array:
    """What each place of one image adds to its similarity with another image.

    ``S_ij - S_ij without p``, S Pearson's r between the two embeddings: positive where the place
    makes the images alike, negative where it sets them apart.

    Parameters
    ----------
    without : (P, D)
        Embedding of the image with each of P places removed.
    intact, other : (D,)
        Embeddings of the image and of the other one.

    Returns
    -------
    (P,)
        In [-2, 2]; NaN where an embedding is constant.

    Raises
    ------
    RequestError
        If the shapes do not belong together.
    """
    rows = np.stack([np.asarray(intact, dtype=np.float64), np.asarray(other, dtype=np.float64)])
    _check(rows, without)
    z, _, flat = standard_rows(rows)
    moved, _, gone = standard_rows(np.asarray(without, dtype=np.float64))
    # The difference of the standardised rows first: both similarities may be nearly one.
    found = (z[0] - moved) @ z[1]
    found[gone | flat.any()] = np.nan
    return np.asarray(found)


def _check(embeddings: Array, without: Array) -> None:
    if embeddings.ndim != 2 or without.ndim != 2 or without.shape[1] != embeddings.shape[1]:
        raise RequestError(
            "expected embeddings (N, D) and those without each place (P, D), got "
            f"{embeddings.shape} and {without.shape}"
        )
