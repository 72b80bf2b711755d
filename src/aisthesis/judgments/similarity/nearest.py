"""Which image people find most like each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisthesis.judgments.similarity.second_order import valid_pairs

__all__ = ["most_alike", "nearest"]


def nearest(dissimilarity: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number of the image that each is judged least dissimilar from.

    Parameters
    ----------
    dissimilarity : (N, N)
        NaN where a pair was not judged.

    Returns
    -------
    (N,)
        Of several at one value the first; -1 where no pair of the image was judged.
    """
    judged = np.where(valid_pairs(dissimilarity) > 0, dissimilarity, np.inf)
    return np.where(np.isfinite(judged).any(1), judged.argmin(1), -1)


def most_alike(dissimilarity: NDArray[np.float64]) -> tuple[int, int] | None:
    """The pair judged least dissimilar, of several at one value the first; each other's `nearest`.

    None where no pair was judged.
    """
    judged = np.where(valid_pairs(dissimilarity) > 0, dissimilarity, np.inf)
    i, j = np.unravel_index(judged.argmin(), judged.shape)
    return (int(i), int(j)) if np.isfinite(judged[i, j]) else None
