"""The mean of what is defined."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["mean_of_defined"]


def mean_of_defined(values: ArrayLike, axis: int = 0) -> NDArray[Any]:
    """Mean along an axis of what is finite; NaN, without a warning, where nothing is.

    Parameters
    ----------
    values : array_like
        Of any shape.
    axis : int
        The one that the result lacks.

    Examples
    --------
    >>> import numpy as np
    >>> from aisthesis.stats.means import mean_of_defined
    >>> mean_of_defined([[1.0, np.nan], [3.0, np.nan]]).tolist()
    [2.0, nan]
    """
    values = np.asarray(values)
    defined = np.isfinite(values)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / defined.sum(axis=axis))
