"""Do other methods say the same, and is any of them true to the network? What the tables say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.faithfulness.measures import FAITHFULNESS_MEASURES
from aisthesis.report.record import StudyRecord
from aisthesis.report.tables import Value, any_table
from aisthesis.report.wording import (
    KIND_NAMES,
    and_list,
    capitalised,
    number,
    number_or_dash,
    percent,
)

__all__ = ["OtherMethods", "other_methods", "rank_agreement"]

_CONTROLS = ("random", "centre", "centre_prior", "activation")
_MAIN = ("deletion_positive", "deletion_negative", "road", "magnitude", "infidelity")
_CHANNELS = ("channels_positive", "channels_error")
_UNCHANGED = 0.5  # cosine with the intact network's map above which a map barely changed


@dataclass(frozen=True)
class OtherMethods:
    """The section of the page.

    Attributes
    ----------
    sentences : list of (str, str)
        Method and what the measures show of it.
    ranking : str
        How the ranking by known places and by deletion compare; empty where it cannot be said.
    header, rows : list
        Method by measure, means over networks.
    agreement_header, agreement_rows : list
        Mean cosine of every two methods on one network.
    all_header, all_rows : list
        `faithfulness.csv`.
    baseline : str
        That of the main table.
    """

    sentences: list[tuple[str, str]]
    ranking: str
    header: list[str]
    rows: list[list[Value]]
    agreement_header: list[str]
    agreement_rows: list[list[Value]]
    all_header: list[str]
    all_rows: list[list[Value]]
    baseline: str


def other_methods(record: StudyRecord) -> OtherMethods | None:
    """Read the section from the study's tables; None where no other method was asked for."""
    table = record.faithfulness
    pairs = _cosines(record.methods)
    if table.empty and pairs.empty:
        return None
    if set(pairs.index.get_level_values(0)) <= {"ais"} and table.empty:
        return None  # AIS beside evidence is what the rest of the page is about
    baselines = [b for b in dict.fromkeys(table.get("baseline", [])) if b != "zero"]
    baseline = str(baselines[0]) if baselines else ""
    methods = _methods(table, pairs)
    header, rows = _main_table(table, methods, baseline)
    agreement_header, agreement_rows = _agreement_table(pairs, methods)
    all_header, all_rows = any_table(table) if len(table) else ([], [])
    sentences = [
        (capitalised(name_of(method)), _sentence(record, table, pairs, method, baseline))
        for method in methods
        if method not in _CONTROLS
    ]
    return OtherMethods(
        sentences,
        rank_agreement(record.localisation, table, baseline),
        header,
        rows,
        agreement_header,
        agreement_rows,
        all_header,
        all_rows,
        baseline,
    )


def name_of(method: str) -> str:
    """A method's name inside a sentence."""
    return KIND_NAMES.get(method, method.replace("_", " "))


def _cosines(table: pd.DataFrame) -> pd.Series:
    """Mean cosine over networks, by (method_a, method_b)."""
    if table.empty or "method_a" not in table:
        return pd.Series(dtype=float, index=pd.MultiIndex.from_arrays([[], []]))
    found = dict.fromkeys(table["metric"])
    metric = "cosine" if "cosine" in found else next(iter(found))
    rows = table[table["metric"] == metric]
    return rows.groupby(["method_a", "method_b"], sort=False)["mean"].mean()


def _methods(table: pd.DataFrame, pairs: pd.Series) -> list[str]:
    names = [*pairs.index.get_level_values(0), *pairs.index.get_level_values(1)]
    if len(table):
        names += table.loc[table["baseline"] != "zero", "method"].tolist()
    found = dict.fromkeys("centre" if name == "centre_prior" else name for name in names)
    return [n for n in found if n not in _CONTROLS] + [n for n in found if n in _CONTROLS]


def _of(table: pd.DataFrame, method: str, measure: str, baseline: str) -> pd.DataFrame:
    if table.empty:
        return table
    own = (table["method"] == method) & (table["measure"] == measure)
    return table[own & (table["baseline"] == baseline)]


def _main_table(
    table: pd.DataFrame, methods: Sequence[str], baseline: str
) -> tuple[list[str], list[list[Value]]]:
    if table.empty:
        return [], []
    header = ["Method", *(FAITHFULNESS_MEASURES[name].label for name in _MAIN)]
    rows = []
    for method in methods:
        cells = [_cell(_of(table, method, measure, baseline)) for measure in _MAIN]
        rows.append([Value(capitalised(name_of(method)), numeric=False), *cells])
    return header, rows


def _cell(rows: pd.DataFrame) -> Value:
    """Mean over networks, and their range."""
    if rows.empty:
        return Value(number_or_dash(np.nan))
    means = rows.drop_duplicates("backbone")["mean"].dropna()
    if means.empty:
        return Value(number_or_dash(np.nan))
    interval = f"{number(means.min())} to {number(means.max())}" if len(means) > 1 else ""
    return Value(number(float(means.mean())), interval)


def _agreement_table(
    pairs: pd.Series, methods: Sequence[str]
) -> tuple[list[str], list[list[Value]]]:
    shown = [m for m in methods if m != "activation"]
    if pairs.empty:
        return [], []
    known = _by_pair(pairs)
    rows = []
    for one in shown:
        cells = [Value(number_or_dash(known.get(frozenset((one, other)), np.nan)))
                 for other in shown]  # fmt: skip
        rows.append([Value(capitalised(name_of(one)), numeric=False), *cells])
    return ["Method", *(capitalised(name_of(one)) for one in shown)], rows


def _by_pair(pairs: pd.Series) -> dict[frozenset[str], float]:
    found: dict[Any, Any] = pairs.to_dict()
    return {frozenset((_short(a), _short(b))): float(value) for (a, b), value in found.items()}


def _short(method: Any) -> str:
    return "centre" if method == "centre_prior" else str(method)


def _sentence(
    record: StudyRecord, table: pd.DataFrame, pairs: pd.Series, method: str, baseline: str
) -> str:
    parts = [
        _against_random(table, method, "deletion_positive", baseline),
        _against_random(table, method, "deletion_negative", baseline),
        _channels(table, method),
        _changes(record.cascade, method),
        _between(record.between, method),
        _like_evidence(pairs, method),
    ]
    said = [part for part in parts if part]
    return capitalised("; ".join(said)) + "." if said else "No measure is defined for it."


_CLAIMS = {
    "deletion_positive": "removing what it ranks highest lowers the prediction",
    "deletion_negative": "removing what it ranks lowest raises it",
}


def _against_random(table: pd.DataFrame, method: str, measure: str, baseline: str) -> str:
    rows = _of(table, method, measure, baseline)
    if rows.empty:
        return ""
    rows = rows[rows["control"] == "random"]
    n = len(rows)
    if not n:
        return ""
    more = int((rows["difference_low"] > 0).sum())
    less = int((rows["difference_high"] < 0).sum())
    said = f"{_CLAIMS[measure]} more than a random map does for {more} of {n} networks"
    return said + (f" and less for {less}" if less else "")


def _channels(table: pd.DataFrame, method: str) -> str:
    measure = {"evidence": _CHANNELS[0], "ais": _CHANNELS[1]}.get(method)
    if measure is None:
        return ""
    rows = _of(table, method, measure, "zero")
    if rows.empty:
        return ""
    rows = rows[rows["control"] == "random"]
    more = int((rows["difference_low"] > 0).sum())
    what = {
        "evidence": "removing its highest-scored channels lowers the prediction",
        "ais": "without its highest-scored channels the prediction gets further from the rating",
    }[method]
    return f"{what} more than random channels do for {more} of {len(rows)} networks"


def _changes(table: pd.DataFrame, method: str) -> str:
    if table.empty or "stage" not in table:
        return ""
    rows = table[(table["method"] == method) & (table["metric"] == "cosine")]
    if rows.empty:
        return ""
    last = rows[rows["stage"] == rows["stage"].max()]["mean"].mean()
    if not np.isfinite(last):
        return "of its maps with random weights nothing can be said, they are flat"
    verdict = "hardly changes" if last > _UNCHANGED else "changes"
    return f"the map {verdict} when all weights are random (cosine {number(float(last))})"


def _between(table: pd.DataFrame, method: str) -> str:
    if table.empty:
        return ""
    rows = table[(table["map"] == method) & (table["metric"] == "cosine")]
    if rows.empty:
        return ""
    return f"networks agree by it with a mean cosine of {number(float(rows['mean'].mean()))}"


def _like_evidence(pairs: pd.Series, method: str) -> str:
    known = _by_pair(pairs)
    value = known.get(frozenset((method, "evidence")))
    if value is None or method == "evidence":
        return ""
    return f"its cosine with the evidence map is {number(value)}"


def rank_agreement(localisation: pd.DataFrame, table: pd.DataFrame, baseline: str) -> str:
    """Say whether methods rank alike by known places and by deletion; empty where unknown."""
    needed = {"map", "side", "score", "control", "mean"}
    if table.empty or not needed <= set(localisation.columns):
        return ""
    found = localisation[
        (localisation["score"] == "auc")
        & (localisation["side"] == "raising")
        & (localisation["control"] == "none")
    ]
    auc = found.groupby("map")["mean"].mean()
    own = table[(table["measure"] == "deletion_positive") & (table["baseline"] == baseline)]
    area = own.drop_duplicates(["backbone", "method"]).groupby("method")["mean"].mean()
    both = pd.concat([auc.rename("auc"), area.rename("area")], axis=1).dropna()
    both = both[~both.index.isin(["uniform"])]
    if len(both) < 4 or (both.nunique() < 2).any():
        return ""
    rho = float(both["auc"].corr(both["area"], method="spearman"))
    apart = (both["auc"].rank() - both["area"].rank()).abs()
    said = (
        f"Ranked by the pixel AUC of raising evidence and by deletion, the {len(both)} methods and "
        f"controls have a Spearman correlation of {number(rho)}"
    )
    if rho >= _UNCHANGED:
        return f"{said}: what finds the known evidence is mostly what moves the prediction."
    furthest = [name_of(str(name)) for name in apart.sort_values(ascending=False).index[:2]]
    return (
        f"{said}; {and_list(furthest)} are ranked most differently, on "
        f"{percent(float((apart <= 1).mean()))} of the rest the two differ by at most one rank."
    )
