"""What keeping only the best channels does to a network's predictions of held-out images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.sentences.tables import Value
from aisthesis.report.sentences.told_apart import told_apart
from aisthesis.report.words.wording import and_list, capitalised, number, number_or_dash, span
from aisthesis.stats.permutation import holm

__all__ = ["Retention", "retention"]

_NEEDED = {"backbone", "head", "metric", "full", "retained", "difference", "p"}


@dataclass(frozen=True)
class Retention:
    """A sentence over the networks, and a row for each."""

    sentence: str
    header: list[str]
    rows: list[list[Value]]


def retention(table: pd.DataFrame) -> Retention | None:
    """Read what `retention.csv` says of heads fitted anew, whose held-out images chose nothing.

    Parameters
    ----------
    table : pandas.DataFrame
        `retention.csv`; empty where nothing was retained.

    Returns
    -------
    Retention or None
        None without rows of such heads.
    """
    if table.empty or not set(table.columns) >= _NEEDED:
        return None
    rows = table[(table["head"] == "fold") & (table["metric"] == "plcc")]
    if rows.empty:
        return None
    rows = rows.assign(
        p_corrected=holm(rows["p"].where(rows["difference"].notna()).to_numpy(dtype=float))
    )
    unknown = pd.Series(np.nan, index=rows.index)

    def column(name: str) -> list[float]:
        return [float(value) for value in rows.get(name, unknown).to_numpy(dtype=float)]

    names = ("n_retained_mean", "full", "retained", "difference", "low", "high", "p_corrected")
    cells = [
        [
            Value(label, numeric=False),
            Value(number_or_dash(n, 0)),
            Value(number_or_dash(full)),
            Value(number_or_dash(kept)),
            Value(number_or_dash(difference), span(low, high)),
            Value(number_or_dash(p, 3)),
        ]
        for label, n, full, kept, difference, low, high, p in zip(
            _named(rows), *map(column, names), strict=True
        )
    ]
    header = ["Network", "Channels kept", "PLCC, all", "PLCC, kept", "Difference", "p, corrected"]
    return Retention(_sentence(rows), header, cells)


def _sentence(rows: pd.DataFrame) -> str:
    """Say for which networks held-out predictions get better or worse, by corrected p."""
    better, worse = told_apart(rows, "difference", "p_corrected")
    parts = []
    for chosen, words in (
        (better, "predict held-out images better than all channels"),
        (worse, "predict them worse"),
    ):
        if chosen.any():
            parts.append(f"the kept channels of {and_list(_named(rows[chosen]))} {words}")
    rest = rows[~better & ~worse & rows["p_corrected"].notna()]
    if len(rest):
        parts.append(f"for {and_list(_named(rest))} no difference is shown")
    undefined = rows[rows["p_corrected"].isna()]
    if len(undefined):
        parts.append(f"for {and_list(_named(undefined))} it cannot be tested")
    best = rows["difference"].abs().max()
    size = f" (largest difference in PLCC {number(float(best))})" if np.isfinite(best) else ""
    return f"{capitalised('; '.join(parts))}{size}."


def _named(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows["backbone"]]
