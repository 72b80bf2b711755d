"""Images ranked by how far the backbones agree on them, about the evidence and the rating."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from aisthesis.agreement.metrics import metric
from aisthesis.agreement.summary import ByImage, by_image
from aisthesis.errors import RequestError

__all__ = ["consensus", "divided", "pair_means", "same_rating_other_evidence"]

_PAIR = ["backbone_a", "backbone_b"]


def consensus(values: pd.DataFrame | ByImage) -> pd.DataFrame:
    """Summarise agreement over pairs of backbones, image by image.

    Parameters
    ----------
    values
        As `pair_values` gives it. Every column but ``image, backbone_a, backbone_b, value`` tells
        groups apart (``map``, ``metric``).

    Returns
    -------
    DataFrame
        ``image``, the group columns, ``consensus`` (mean over the pairs whose agreement is
        defined), ``controversy`` (sample SD over them; NaN with fewer than two) and ``n_pairs``
        (how many they are). Images in order of appearance, groups within them likewise.
    """
    groups, matrix, _, images = by_image(values)
    keys = [str(name) for name in groups if name not in _PAIR]
    tables = []
    for _, rows in groups.groupby(keys, sort=False):
        names = {key: rows[key].iloc[0] for key in keys}
        pairs = matrix[:, rows.index.to_numpy()]
        n = np.isfinite(pairs).sum(axis=1)
        mean = pair_means(pairs)
        square = np.nansum(np.square(pairs - mean[:, None]), axis=1)
        columns = {
            "consensus": mean,
            "controversy": np.sqrt(_divided(square, n - 1)),
            "n_pairs": n,
        }
        table = pd.DataFrame({"image": images, **names, **columns})
        tables.append(table.assign(position=np.arange(len(images))))
    if not tables:
        return pd.DataFrame(columns=["image", *keys, "consensus", "controversy", "n_pairs"])
    table = pd.concat(tables).sort_values("position", kind="stable", ignore_index=True)
    return table.drop(columns="position")


def same_rating_other_evidence(table: pd.DataFrame) -> NDArray[np.float64]:
    """Score each image by how far the backbones agree on its rating but not on its evidence.

    The smaller of two shares: of images whose predictions differ at least as much between
    backbones, and of images on which the maps agree at least as well. An image has .9 where only a
    tenth of the images have as equal predictions, and only a tenth as different maps (or one of
    the two is rarer still). If the two were unrelated, a share (1 - x)^2 of the images would reach
    a score of x.

    Parameters
    ----------
    table
        ``metric, consensus`` and ``prediction_sd`` (SD of the prediction over backbones) of the
        images; every further column called ``map`` tells groups apart, which are ranked on their
        own.

    Returns
    -------
    ndarray
        (rows,) above 0, at most 1; NaN where either is undefined.
    """
    missing = [one for one in ("metric", "consensus", "prediction_sd") if one not in table]
    if missing:
        raise RequestError(
            f"expected the columns metric, consensus and prediction_sd, {' and '.join(missing)} "
            "is missing; add the SD of the prediction over backbones to what consensus returns"
        )
    scores = pd.Series(np.nan, index=range(len(table)))
    keys = [name for name in ("map", "metric") if name in table]
    for _, rows in table.reset_index(drop=True).groupby(keys, sort=False):
        scores[rows.index] = divided(
            rows["consensus"], rows["prediction_sd"], rows["metric"].iloc[0]
        )
    return np.asarray(scores, dtype=np.float64)


def divided(agreement: ArrayLike, prediction_sd: ArrayLike, called: str) -> NDArray[np.float64]:
    """Score the images of one group as `same_rating_other_evidence`; `called` is the metric."""
    table = pd.DataFrame({"agreement": agreement, "sd": prediction_sd}).astype(np.float64)
    known = table[table.notna().all(axis=1)]
    higher = metric(called).direction == "higher"
    equal_ratings = known["sd"].rank(pct=True, ascending=False, method="max")
    other_evidence = known["agreement"].rank(pct=True, ascending=not higher, method="max")
    scores = np.full(len(table), np.nan)
    scores[table.notna().all(axis=1)] = np.minimum(equal_ratings, other_evidence)
    return scores


def pair_means(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of (images, pairs) values over the pairs on which they are defined, NaN where none."""
    return _divided(np.nansum(pairs, axis=1), np.isfinite(pairs).sum(axis=1))


def _divided(sums: NDArray[np.float64], by: NDArray[np.int_]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.where(by > 0, sums / np.maximum(by, 1), np.nan)
    return result
