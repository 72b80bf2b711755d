"""Which paired differences of a table are decided, once corrected for how many are compared."""

from __future__ import annotations

import pandas as pd

from aisthesis.report.words.pair_words import SIGNIFICANT

__all__ = ["P_CORRECTED", "told_apart"]

#: Column of `faithfulness.csv`.
P_CORRECTED = "difference_p_corrected"


def told_apart(
    rows: pd.DataFrame, difference: str = "difference", p_corrected: str = P_CORRECTED
) -> tuple[pd.Series, pd.Series]:
    """Say where a difference is above zero, and where below: bool, by the rows' index.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of `faithfulness.csv`, or another table of differences.
    difference, p_corrected : str
        Its columns. A difference without a corrected p is not decided.
    """
    clear = rows[p_corrected].astype(float) < SIGNIFICANT
    return clear & (rows[difference] > 0), clear & (rows[difference] < 0)
