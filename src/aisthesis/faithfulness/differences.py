"""Which of two methods is truer to its network: paired over images, corrected over all pairs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from aisthesis.faithfulness.table import MeasuredImages
from aisthesis.stats.differences import mean_differences

__all__ = ["METHOD_DIFFERENCE_COLUMNS", "method_differences"]

METHOD_DIFFERENCE_COLUMNS = (
    "measure", "baseline", "first", "second", "difference", "low", "high", "low_corrected",
    "high_corrected", "p_corrected", "n",
)  # fmt: skip


def method_differences(
    measures: MeasuredImages,
    *,
    without: Iterable[str] = ("centre", "activation"),
    n_boot: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every two methods, and each with random maps, on the same images.

    Parameters
    ----------
    measures : dict
        As `faithfulness_values` gives it.
    without : iterable of str
        Controls that are not compared: each comparison more makes all corrected intervals wider.
    n_boot, seed : int
        Of the bootstrap over images.

    Returns
    -------
    pandas.DataFrame
        ``measure, baseline, first, second, difference`` (first less second, a mean over the ``n``
        images where both are defined), ``low, high`` (its 95 % interval), and ``low_corrected,
        high_corrected, p_corrected`` over all pairs of this measure and baseline; see
        `aisthesis.stats.differences`.
    """
    left_out = set(without)
    tables = [pd.DataFrame(columns=list(METHOD_DIFFERENCE_COLUMNS))]
    for (measure, baseline), values in measures.items():
        names = [name for name in values if name not in left_out]
        pairs = list(combinations(names, 2))
        if not pairs:
            continue
        apart = np.stack([values[a] - values[b] for a, b in pairs], axis=1)
        found = mean_differences(apart, seed, n_boot)._asdict()
        first, second = zip(*pairs, strict=True)
        table = pd.DataFrame({"first": first, "second": second, **found})
        table = table.assign(measure=measure, baseline=baseline)
        tables.append(table[list(METHOD_DIFFERENCE_COLUMNS)])
    return pd.concat([one for one in tables if len(one)] or tables, ignore_index=True)
