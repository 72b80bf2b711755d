"""Ridge regression as the sanity line beside the MLP."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.heads.rows import Embeddings, RowsOnDisk, in_blocks, with_each_block
from aisthesis.heads.scale import embedding_scale, scale_of

__all__ = ["fit_ridge"]

_RIDGE_PENALTIES = np.logspace(-2, 6, 33)

Array = NDArray[np.float64]


def fit_ridge(
    embeddings: Array | Embeddings,
    ratings: Array,
    train: NDArray[np.intp],
    validation: NDArray[np.intp],
) -> tuple[Array, float]:
    """Fit a ridge regression as the sanity line beside the MLP, on the same splits.

    Parameters
    ----------
    embeddings : array, shape (N, D)
        Rows on the disk are gone through in blocks.
    ratings : array, shape (N,)

    Returns
    -------
    predictions : array, shape (N,)
        For all images, in rating units.
    penalty : float
        The one of 33 penalties, 0.01 to 1e6 on the standardised embedding, with the lowest
        validation MSE.
    """
    if isinstance(embeddings, RowsOnDisk):
        return _by_blocks(embeddings, ratings, train, validation)
    from sklearn.linear_model import Ridge  # takes half a second to load

    embeddings = np.asarray(embeddings, dtype=np.float64)
    mean, sd = embedding_scale(embeddings[train])
    standardised = (embeddings - mean) / sd
    # A target for each penalty: one decomposition serves them all.
    targets = np.repeat(ratings[train, None], len(_RIDGE_PENALTIES), axis=1)
    model = Ridge(alpha=_RIDGE_PENALTIES, solver="svd").fit(standardised[train], targets)
    predictions = model.predict(standardised)
    errors = predictions[validation] - ratings[validation, None]
    best = int(np.argmin(np.mean(errors**2, axis=0)))
    return predictions[:, best], float(_RIDGE_PENALTIES[best])


def _by_blocks(
    embeddings: RowsOnDisk, ratings: Array, train: NDArray[np.intp], validation: NDArray[np.intp]
) -> tuple[Array, float]:
    """The same from sums over the rows: their products, and those with the ratings."""
    mean, sd = scale_of(embeddings, train)
    centre = float(ratings[train].mean())
    width = embeddings.shape[1]
    products, with_ratings, sums = np.zeros((width, width)), np.zeros(width), np.zeros(width)
    for some in in_blocks(embeddings, train):
        z = (embeddings[some].double().numpy() - mean) / sd
        products += z.T @ z
        with_ratings += z.T @ (ratings[some] - centre)
        sums += z.sum(0)
    offset = sums / len(train)  # zero but for rounding, and features that carry nothing
    products -= len(train) * np.outer(offset, offset)
    values, vectors = np.linalg.eigh(products)
    along = vectors.T @ with_ratings
    penalties = _RIDGE_PENALTIES
    weights = vectors @ (along[:, None] / (np.maximum(values, 0.0)[:, None] + penalties))
    errors = np.zeros(len(penalties))
    for some in in_blocks(embeddings, validation):
        z = (embeddings[some].double().numpy() - mean) / sd - offset
        errors += np.square(z @ weights + centre - ratings[some, None]).sum(0)
    best = int(np.argmin(errors))

    def predicted(rows: Tensor) -> Tensor:
        z = (rows.double().numpy() - mean) / sd - offset
        return torch.from_numpy(z @ weights[:, best] + centre)

    return with_each_block(embeddings, predicted).numpy(), float(penalties[best])
