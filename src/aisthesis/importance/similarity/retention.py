"""Keep only the channels with the highest AIS: how agreement depends on how many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.importance.similarity.embeddings import Embeddings, OwnedEmbeddings
from aisthesis.importance.similarity.standard import dissimilarity_of
from aisthesis.judgments.similarity.second_order import second_order, valid_pairs

__all__ = [
    "Retained",
    "best_size",
    "ranked",
    "retained_dissimilarity",
    "retention_curve",
    "retention_curves",
    "retention_sizes",
]

Array = NDArray[np.float64]
Retained = Literal["columns", "ablate"]


def ranked(scores: Array) -> NDArray[np.intp]:
    """Channels by falling score; ties by number, undefined scores last."""
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")


def retention_sizes(channels: int, most: int = 512) -> NDArray[np.intp]:
    """Numbers of channels to try: all, or `most` of them evenly spread where there are more."""
    return np.unique(np.linspace(1, channels, min(channels, most)).round().astype(np.intp))


def best_size(sizes: NDArray[np.intp], agreement: Array) -> int:
    """The number of channels with the highest agreement; the smaller of two equals.

    Raises
    ------
    RequestError
        If agreement is undefined for every number.
    """
    if not np.isfinite(agreement).any():
        raise RequestError(
            "the agreement is undefined for every number of retained channels: there are too few "
            "pairs of images, or the judgments of these images are all the same"
        )
    return int(sizes[int(np.nanargmax(agreement))])


def retention_curve(
    embeddings: Embeddings,
    dissimilarity: Array,
    order: NDArray[np.intp],
    sizes: NDArray[np.intp],
    subsets: Sequence[NDArray[np.intp]],
    *,
    measure: str = "pearson",
    retained: Retained = "columns",
) -> Array:
    """Agreement with people when only the first channels of a ranking are kept.

    Parameters
    ----------
    embeddings : OwnedEmbeddings or DenseEmbeddings
        Of N images and C channels.
    dissimilarity : (N, N)
        Human dissimilarities; NaN where a pair was not judged.
    order : (C,)
        Channels, best first.
    sizes : (G,)
        Numbers of channels to keep, ascending.
    subsets : S arrays of image numbers
        Sets of images; agreement is over the pairs within each.
    measure : {"pearson", "spearman", "cosine", "whitened_cosine"}
    retained : {"columns", "ablate"}
        Keep only the entries of the embedding that depend on a retained channel (or on none), or
        the embedding that the network computes without the others, as it is.

    Returns
    -------
    (S, G)
        NaN where undefined, as with one retained channel.
    """
    return next(
        retention_curves(
            embeddings, dissimilarity, [order], sizes, [subsets], measure=measure, retained=retained
        )
    )


def retention_curves(
    embeddings: Embeddings,
    dissimilarity: Array,
    orders: Sequence[NDArray[np.intp]],
    sizes: NDArray[np.intp],
    subsets: Sequence[Sequence[NDArray[np.intp]]],
    *,
    measure: str = "pearson",
    retained: Retained = "columns",
) -> Iterator[Array]:
    """Curves of several rankings, each on its own sets of images, as they are computed.

    Where every set of retained channels is a run of the network, all of them share its passes over
    the images. Parameters are those of `retention_curve`, one ranking and one sequence of sets of
    images for each curve.
    """
    human = np.asarray(dissimilarity, dtype=np.float64)
    stream = _dissimilarities(embeddings, orders, sizes, retained)
    for parts in subsets:
        masks = [valid_pairs(human[np.ix_(s, s)]) for s in parts]
        finite = [np.nan_to_num(human[np.ix_(s, s)]) for s in parts]
        curve = np.full((len(parts), len(sizes)), np.nan)
        for g in range(len(sizes)):
            network = next(stream)
            for k, (part, mask, own) in enumerate(zip(parts, masks, finite, strict=True)):
                block = network[np.ix_(part, part)]
                defined = np.isfinite(block)
                if not defined.all():
                    block, mask = np.where(defined, block, 0.0), mask * defined
                curve[k, g] = second_order(block, own, mask, measure=measure)
        yield curve


def retained_dissimilarity(
    embeddings: Embeddings, channels: NDArray[np.intp], *, retained: Retained = "columns"
) -> Array:
    """1 - r between the embeddings of which only some channels are kept, (N, N)."""
    size = np.array([len(channels)], dtype=np.intp)
    return next(_dissimilarities(embeddings, [np.asarray(channels)], size, retained))


def _dissimilarities(
    embeddings: Embeddings,
    orders: Sequence[NDArray[np.intp]],
    sizes: NDArray[np.intp],
    retained: Retained,
) -> Iterator[Array]:
    """Of every size of every ranking, in this order."""
    if isinstance(embeddings, OwnedEmbeddings):
        for order in orders:
            yield from _growing(embeddings, order, sizes, retained)
        return
    if retained == "columns":
        raise RequestError(
            "retained = 'columns' needs an embedding each entry of which depends on one channel; "
            "here every channel reaches every entry: use 'ablate'"
        )
    sets = np.zeros((len(orders) * len(sizes), embeddings.channels), dtype=bool)
    for row, (order, size) in zip(sets, product(orders, sizes), strict=True):
        row[order[:size]] = True
    for embedding in embeddings.keeping(sets):
        yield dissimilarity_of(embedding)


def _growing(
    embeddings: OwnedEmbeddings,
    order: NDArray[np.intp],
    sizes: NDArray[np.intp],
    retained: Retained,
) -> Iterator[Array]:
    """Cross-products and sums of rows grow by the entries of each further channel."""
    ablate = retained == "ablate"
    scale = np.sqrt((embeddings.intact**2).mean(1, keepdims=True))
    scale = np.where(scale > 0, scale, 1.0)
    z, e = embeddings.intact / scale, embeddings.emptied / scale
    nobody = np.flatnonzero(embeddings.owner < 0)
    start = e if ablate else z[:, nobody]
    products, sums, dimension = start @ start.T, start.sum(1), start.shape[1]
    done = 0
    for size in sizes:
        new = [embeddings.columns[c] for c in order[done:size]]
        columns = np.concatenate(new) if new else np.empty(0, dtype=np.intp)
        added = z[:, columns]
        products, sums = products + added @ added.T, sums + added.sum(1)
        if ablate:
            gone = e[:, columns]
            products, sums = products - gone @ gone.T, sums - gone.sum(1)
        else:
            dimension += len(columns)
        done = int(size)
        yield _from_products(products, sums, dimension)


def _from_products(products: Array, sums: Array, dimension: int) -> Array:
    covariance = products - np.outer(sums, sums) / max(dimension, 1)
    variance = np.diag(covariance)
    flat = variance <= 1e-12 * np.maximum(np.diag(products), 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        q = np.where(flat, np.nan, variance) ** -0.5
    # Two entries always lie on a line: every correlation would be 1 or -1.
    if dimension < 3:
        q = np.full_like(q, np.nan)
    result = 1.0 - np.clip(covariance * q * q[:, None], -1.0, 1.0)
    np.fill_diagonal(result, 0.0)
    return result
