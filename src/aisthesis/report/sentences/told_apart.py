"""Which paired differences of a table are decided, once corrected for how many are compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.report.words.pair_words import SIGNIFICANT

__all__ = ["P_CORRECTED", "told_apart"]

#: Column of `faithfulness.csv`.
P_CORRECTED = "difference_p_corrected"


def told_apart(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Say where a difference is above zero, and where below: bool, by the rows' index.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of `faithfulness.csv`. A difference without a corrected p is not decided.
    """
    p = rows.get(P_CORRECTED, pd.Series(np.nan, index=rows.index)).astype(float)
    return (p < SIGNIFICANT) & (rows["difference"] > 0), (p < SIGNIFICANT) & (
        rows["difference"] < 0
    )
