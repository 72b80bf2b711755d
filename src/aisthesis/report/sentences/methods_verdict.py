"""Which methods are truer to their networks than random maps: one sentence of paired tests."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from aisthesis.report.sentences.told_apart import P_CORRECTED, told_apart
from aisthesis.report.words.wording import and_list, count, name_of

__all__ = ["verdict"]

_NEEDED = {"backbone", "method", "measure", "baseline", "control", "difference", P_CORRECTED}


def verdict(table: pd.DataFrame, methods: Sequence[str], baseline: str) -> str:
    """Say which methods beat random maps by deletion, network by network.

    Parameters
    ----------
    table : pandas.DataFrame
        `faithfulness.csv`; ``difference`` is a method's value less the control's, image by image.
    methods : sequence of str
        Those that are judged; controls are not.
    baseline : str
        Of the deletion.

    Returns
    -------
    str
        Empty where no difference has a corrected p. Methods are not compared with one another.
    """
    if table.empty or not set(table.columns) >= _NEEDED:
        return ""
    rows = table[
        (table["measure"] == "deletion_positive")
        & (table["baseline"] == baseline)
        & (table["control"] == "random")
        & table["method"].isin(list(methods))
    ]
    rows = rows.drop_duplicates(["backbone", "method"])
    rows = rows.dropna(subset=[P_CORRECTED])
    if rows.empty:
        return ""
    more, less = (found.groupby(rows["method"]).sum() for found in told_apart(rows))
    tested = rows.groupby("method").size()
    named = [name for name in methods if name in tested.index]
    every = [name_of(m) for m in named if more[m] == tested[m]]
    some = [f"{name_of(m)} ({more[m]} of {tested[m]})" for m in named if 0 < more[m] < tested[m]]
    never = [name_of(m) for m in named if not more[m]]
    worse = [f"{name_of(m)} ({less[m]} of {tested[m]})" for m in named if less[m]]
    parts = [
        f"{words}: {and_list(names)}"
        for words, names in (
            ("better on every network", every),
            ("better on some", some),
            ("not shown to be better on any", never),
            ("worse on some", worse),
        )
        if names
    ]
    n = count(rows["backbone"].nunique(), "network")
    return (
        f"By deletion with the baseline {baseline}, on {n}, against random maps on the same "
        f"images, corrected over methods and networks: {'; '.join(parts)}. Which method is best is "
        "not tested."
    )
