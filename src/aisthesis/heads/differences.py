"""Which predictions are better than others: scores compared on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from aisthesis.heads.evaluation import PREDICTION_METRICS, jackknifed
from aisthesis.stats.differences import mean_differences
from aisthesis.stats.jackknife import left_out, pseudo_values

__all__ = ["score_differences"]

Key = TypeVar("Key")
#: Of fewer images a correlation without one of them says nothing.
_FEWEST = 4


def score_differences(
    ratings: ArrayLike,
    predictions: Mapping[Key, ArrayLike],
    pairs: Sequence[tuple[Key, Key]],
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare scores of predictions of the same images, pair by pair.

    Two intervals of scores over the same images may overlap though their difference is clear,
    since an image that is hard for one network is hard for others. So what each image adds to a
    score (its pseudo-value by the jackknife) is compared, image by image.

    Parameters
    ----------
    ratings
        (N,) human ratings.
    predictions
        (N,) predictions by any key, in rating units.
    pairs
        Keys of the two that are compared, each time.
    n_boot, seed
        Of the bootstrap's draws of images; 0 draws leave every interval NaN.

    Returns
    -------
    DataFrame
        One row a score and pair, in this order: ``score`` (as in `evaluate`), ``difference``
        (first less second), ``low, high`` (its 95 % interval), ``low_corrected, high_corrected,
        p_corrected`` (corrected over all pairs of this score; see `aisthesis.stats.differences`)
        and ``n``, the number of images. NaN with fewer than four images.
    """
    y = np.asarray(ratings, dtype=np.float64)
    keys = list(dict.fromkeys(key for pair in pairs for key in pair))
    each = [np.asarray(predictions[key], dtype=np.float64) for key in keys]
    first, second = (np.array([keys.index(pair[side]) for pair in pairs], int) for side in (0, 1))
    tables = []
    for name in PREDICTION_METRICS:
        per_image = _pseudo_values(name, y, each, seed)
        found = mean_differences(per_image[:, first] - per_image[:, second], seed, n_boot)
        table = pd.DataFrame(found._asdict()).assign(n=len(y))
        table.insert(0, "score", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _pseudo_values(
    name: str, y: NDArray[np.float64], each: list[NDArray[np.float64]], seed: int
) -> NDArray[np.float64]:
    """(images or groups of them, predictions) whose means are the scores."""
    without = left_out(len(y), seed)
    if len(y) < _FEWEST or not each:
        return np.full((len(without), len(each)), np.nan)
    values = np.array([float(PREDICTION_METRICS[name](y, one)) for one in each])
    left = np.stack([jackknifed(name, y, one, without) for one in each], axis=1)
    left[:, ~np.isfinite(left).all(axis=0)] = np.nan
    return pseudo_values(values, left)
