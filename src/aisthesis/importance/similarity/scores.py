"""Alignment importance of channels for similarity judgments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.importance.similarity.embeddings import Embeddings, OwnedEmbeddings
from aisthesis.importance.similarity.products import by_matrix_products
from aisthesis.importance.similarity.standard import set_up
from aisthesis.importance.similarity.updates import channel_by_channel

__all__ = ["AlignmentScores", "Removal", "alignment_scores"]

Array = NDArray[np.float64]
Removal = Literal["ablate", "delete"]
Advance = Callable[[int], None]


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
    Truong, Pesenti & Hasson, arXiv 2409.16292; docs/method.md, section 5.
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
    ready = set_up(embeddings, human)
    summed = measure in ("pearson", "cosine")
    if summed and isinstance(embeddings, OwnedEmbeddings) and embeddings.column is not None:
        found = by_matrix_products(embeddings, ready, measure, removal, images, advance)
    else:
        found = channel_by_channel(embeddings, ready, measure, removal, images, advance)
    return AlignmentScores(*found, ready.n_flat)
