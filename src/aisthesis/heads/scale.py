"""Mean and SD of the features of embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisthesis.heads.rows import Embeddings, in_blocks

__all__ = ["embedding_scale", "scale_of"]

Array = NDArray[np.float64]


def scale_of(embeddings: Embeddings, index: NDArray[np.intp]) -> tuple[Array, Array]:
    """Mean and SD of each feature over some rows; one that carries nothing is left unscaled."""
    blocks = list(in_blocks(embeddings, index))
    if len(blocks) == 1:
        return embedding_scale(embeddings[index].double().numpy())
    total, squares = np.zeros(embeddings.shape[1]), np.zeros(embeddings.shape[1])
    for some in blocks:
        total += embeddings[some].double().numpy().sum(0)
    mean = total / len(index)
    for some in blocks:
        squares += np.square(embeddings[some].double().numpy() - mean).sum(0)
    return _that_carries(mean, np.sqrt(squares / len(index)))


def embedding_scale(embeddings: Array) -> tuple[Array, Array]:
    """As `scale_of`, of rows in memory."""
    return _that_carries(embeddings.mean(0), embeddings.std(0))


def _that_carries(mean: Array, sd: Array) -> tuple[Array, Array]:
    # Below a float32's resolution of the mean, a spread is rounding.
    floor = np.maximum(1e-6 * sd.max(initial=0.0), 1e-7 * np.abs(mean))
    return mean, np.where(sd > floor, sd, 1.0)
