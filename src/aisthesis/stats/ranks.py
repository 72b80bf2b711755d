"""Ranks, ties given their average."""

from __future__ import annotations

from math import prod

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["average_ranks"]


def average_ranks(values: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Ranks along an axis from 1 on, equal values given the mean of theirs.

    `scipy.stats.rankdata` by pandas, as `scipy.stats` takes a second to load. All ranks of a row
    that holds a NaN are NaN.

    Parameters
    ----------
    values
        (..., N, ...).

    Returns
    -------
    ndarray
        Of the same shape.
    """
    rows = np.moveaxis(np.asarray(values), axis, -1)
    table = pd.DataFrame(rows.reshape(prod(rows.shape[:-1]), rows.shape[-1]))
    ranks = table.rank(axis=1).to_numpy(copy=True)
    ranks[table.isna().any(axis=1)] = np.nan
    return np.moveaxis(ranks.reshape(rows.shape), -1, axis)
