"""Which pairs of backbones agree more than others, and which backbones: paired over images."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.summary import ByImage, by_image
from aisthesis.stats.differences import mean_differences

__all__ = ["DIFFERENCE_COLUMNS", "agreement_differences"]

DIFFERENCE_COLUMNS = (
    "difference", "low", "high", "low_corrected", "high_corrected", "p_corrected", "n",
)  # fmt: skip
_PAIR = ["backbone_a", "backbone_b"]


def agreement_differences(
    values: pd.DataFrame | ByImage, seed: int = 0, n_boot: int = 2000
) -> pd.DataFrame:
    """Compare every two pairs of backbones, and every two backbones, on the same images.

    Two intervals of means over the same images may overlap though the difference is clear, since
    images on which one pair agrees well are those on which others do. So the difference is taken
    image by image.

    Parameters
    ----------
    values
        As `pair_values` gives it. Every column but ``image, backbone_a, backbone_b, value`` tells
        groups apart (``map``, ``metric``); each is compared, and corrected, on its own.
    seed, n_boot
        Of the bootstrap's draws of images.

    Returns
    -------
    DataFrame
        The group columns, then ``compared`` (``pairs``, or ``networks``, whose agreement is the
        mean over their pairs), ``first, second`` (a pair as ``a|b``), ``difference`` (first less
        second, a mean over the images where both are defined), ``low, high`` (its 95 % interval),
        ``low_corrected, high_corrected, p_corrected`` (corrected over all that are compared in
        this group, pairs and networks apart; see `aisthesis.stats.differences`) and ``n``.
    """
    groups, matrix, *_ = by_image(values)
    keys = [str(name) for name in groups if name not in _PAIR]
    columns = [*keys, "compared", "first", "second", *DIFFERENCE_COLUMNS]
    tables = [pd.DataFrame(columns=columns)]
    for _, rows in groups.groupby(keys, sort=False):
        own = matrix[:, rows.index.to_numpy()]
        named = {key: rows[key].iloc[0] for key in keys}
        pairs = [f"{a}|{b}" for a, b in zip(rows["backbone_a"], rows["backbone_b"], strict=True)]
        for compared, names, each in (
            ("pairs", pairs, own),
            ("networks", *_of_networks(rows, own)),
        ):
            table = _compared(names, each, seed, n_boot)
            tables.append(table.assign(compared=compared, **named)[columns])
    return pd.concat([one for one in tables if len(one)] or tables[:1], ignore_index=True)


def _of_networks(
    rows: pd.DataFrame, matrix: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64]]:
    """Backbones, and (images, backbones) mean over the pairs of each; none of two backbones."""
    names = list(dict.fromkeys([*rows["backbone_a"], *rows["backbone_b"]]))
    if len(names) < 3:
        return [], np.empty((len(matrix), 0))
    takes_part = [(rows[_PAIR] == name).any(axis=1).to_numpy() for name in names]
    return names, np.stack([matrix[:, own].mean(axis=1) for own in takes_part], axis=1)


def _compared(
    names: list[str], values: NDArray[np.float64], seed: int, n_boot: int
) -> pd.DataFrame:
    two = list(combinations(range(len(names)), 2))
    first, second = ([names[pair[side]] for pair in two] for side in (0, 1))
    i, j = (np.array([pair[side] for pair in two], dtype=int) for side in (0, 1))
    found = mean_differences(values[:, i] - values[:, j], seed, n_boot)
    return pd.DataFrame({"first": first, "second": second, **found._asdict()})
