"""Which networks predict better than others, and where the head is better than ridge."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from aisthesis.heads import score_differences

__all__ = ["prediction_differences"]

#: What is compared and corrected together.
NETWORKS, HEADS = "networks", "heads"


def prediction_differences(
    ratings: ArrayLike,
    predictions: Mapping[str, Mapping[str, NDArray[np.float64]]],
    *,
    n_boot: int,
    seed: int,
) -> pd.DataFrame:
    """Compare every two networks' heads, and each network's head with ridge.

    Parameters
    ----------
    ratings
        (N,) of the images that all predict, unseen by any head.
    predictions
        (N,) averaged over seeds, by network (or ensemble) and kind of head.
    n_boot, seed
        As in `score_differences`.

    Returns
    -------
    DataFrame
        ``score, compared`` (``networks`` or ``heads``, each corrected on its own), ``backbone_a,
        head_a, backbone_b, head_b``, and the columns of `score_differences`.
    """
    by_key = {
        (label, head): values
        for label, heads in predictions.items()
        for head, values in heads.items()
    }
    wanted = {
        NETWORKS: list(combinations([key for key in by_key if key[1] == "mlp"], 2)),
        HEADS: [
            ((label, "mlp"), (label, "ridge"))
            for label, heads in predictions.items()
            if {"mlp", "ridge"} <= set(heads)
        ],
    }
    tables = []
    for compared, pairs in wanted.items():
        found = score_differences(ratings, by_key, pairs, n_boot=n_boot, seed=seed)
        named = pd.DataFrame(
            [(compared, *a, *b) for a, b in pairs],
            columns=["compared", "backbone_a", "head_a", "backbone_b", "head_b"],
        )
        repeats = found["score"].nunique()
        named = pd.concat([named] * repeats, ignore_index=True) if repeats else named
        tables.append(pd.concat([found[["score"]], named, found.drop(columns="score")], axis=1))
    return pd.concat([one for one in tables if len(one)] or tables[:1], ignore_index=True)
