"""Do other methods say the same, and is any of them true to the network? What the tables say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.faithfulness.measures import FAITHFULNESS_MEASURES
from aisthesis.names.explainers import BASE, CONTROLS
from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.folder.selection import EVIDENCE, leading_kind
from aisthesis.report.parts.method_ranks import MethodRanks, method_ranks
from aisthesis.report.sentences.method_standing import MethodStanding, method_standing
from aisthesis.report.sentences.methods_verdict import verdict
from aisthesis.report.sentences.tables import Value, any_table
from aisthesis.report.sentences.told_apart import P_CORRECTED, told_apart
from aisthesis.report.words.wording import (
    capitalised,
    count,
    name_of,
    number,
    number_or_dash,
    percent,
)

__all__ = ["OtherMethods", "other_methods"]

_CONTROLS = (*CONTROLS, "activation")
_MAIN = (
    "deletion_positive",
    "deletion_negative",
    "insertion_positive",
    "insertion_negative",
    "road",
    "magnitude",
    "infidelity",
    "sensitivity",
)
_NOT_REMOVED = ("zero", "nearby")  # what `baseline` says where no pixels are removed
_CHANNELS = ("channels_positive", "channels_error")
_UNCHANGED = 0.9  # cosine with the intact network's map from which a map barely changed
_IN_PART = 0.5  # and from which it changed in part


@dataclass(frozen=True)
class OtherMethods:
    """The section of the page.

    Attributes
    ----------
    sentences : list of (str, str)
        Method and what the measures show of it.
    ranks : MethodRanks or None
        How the rankings by known places and by deletion compare; None where it cannot be said.
    header, rows : list
        Method by measure, means over networks.
    agreement_header, agreement_rows : list
        Mean cosine of every two methods on one network.
    all_header, all_rows : list
        `faithfulness.csv`.
    baseline : str
        That of the main table.
    verdict : str
        Which methods are truest and which beat random maps, in a sentence; empty where neither is
        tested.
    standing : MethodStanding or None
        The ranking of the methods; None where they are not compared with one another.
    """

    sentences: list[tuple[str, str]]
    ranks: MethodRanks | None
    header: list[str]
    rows: list[list[Value]]
    agreement_header: list[str]
    agreement_rows: list[list[Value]]
    all_header: list[str]
    all_rows: list[list[Value]]
    baseline: str
    verdict: str = ""
    standing: MethodStanding | None = None


def other_methods(record: StudyRecord) -> OtherMethods | None:
    """Read the section from the study's tables; None where no other method was asked for."""
    table = record.faithfulness
    pairs = _cosines(record.methods)
    if table.empty and pairs.empty:
        return None
    if {name for pair in pairs.index for name in pair} <= set(BASE) and table.empty:
        return None  # AIS and evidence are what the rest of the page is about
    baselines = [b for b in dict.fromkeys(table.get("baseline", [])) if b not in _NOT_REMOVED]
    baseline = str(baselines[0]) if baselines else ""
    methods = _methods(table, pairs)
    header, rows = _main_table(record, methods, baseline)
    agreement_header, agreement_rows = _agreement_table(pairs, methods)
    all_header, all_rows = any_table(table) if len(table) else ([], [])
    sentences = [
        (capitalised(name_of(method)), _sentence(record, table, pairs, method, baseline))
        for method in methods
        if method not in _CONTROLS
    ]
    judged = [name for name in methods if name not in _CONTROLS]
    standing = method_standing(table, record.method_differences, judged, baseline)
    return OtherMethods(
        sentences,
        method_ranks(record.localisation, table, baseline),
        header,
        rows,
        agreement_header,
        agreement_rows,
        all_header,
        all_rows,
        baseline,
        verdict(table, judged, baseline) if standing is None else standing.verdict,
        standing,
    )


def _cosines(table: pd.DataFrame) -> pd.Series:
    """Mean cosine over networks, by (method_a, method_b)."""
    if table.empty or "method_a" not in table:
        return pd.Series(dtype=float, index=pd.MultiIndex.from_arrays([[], []]))
    rows = table[table["metric"] == "cosine"]
    return rows.groupby(["method_a", "method_b"], sort=False)["mean"].mean()


def _methods(table: pd.DataFrame, pairs: pd.Series) -> list[str]:
    names = [*pairs.index.get_level_values(0), *pairs.index.get_level_values(1)]
    if len(table):
        names += table.loc[table["baseline"] != "zero", "method"].tolist()
    found = dict.fromkeys(names)
    return [n for n in found if n not in _CONTROLS] + [n for n in found if n in _CONTROLS]


def _of(table: pd.DataFrame, method: str, measure: str, baseline: str) -> pd.DataFrame:
    if table.empty:
        return table
    own = (table["method"] == method) & (table["measure"] == measure)
    wanted = "nearby" if measure == "sensitivity" else baseline
    return table[own & (table["baseline"] == wanted)]


def _main_table(
    record: StudyRecord, methods: Sequence[str], baseline: str
) -> tuple[list[str], list[list[Value]]]:
    """Method by measure; with the cascade's end, and known places where the study has some."""
    table = record.faithfulness
    if table.empty:
        return [], []
    present = [one for one in _MAIN if (table["measure"] == one).any()]
    places = not record.localisation.empty and "score" in record.localisation
    header = ["Method", *(FAITHFULNESS_MEASURES[name].label for name in present)]
    header += ["Cosine with all weights random", *(["Pixel AUC, raising"] if places else [])]
    rows = []
    for method in methods:
        cells = [_cell(_of(table, method, measure, baseline)) for measure in present]
        cells.append(_cell(_last_stage(record.cascade, method)))
        if places:
            cells.append(_cell(_places(record.localisation, method)))
        rows.append([Value(capitalised(name_of(method)), numeric=False), *cells])
    return header, rows


def _places(table: pd.DataFrame, method: str) -> pd.DataFrame:
    own = (table["map"] == method) & (table["score"] == "auc") & (table["side"] == "raising")
    return table[own & (table["control"] == "none")]


def _last_stage(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Rows of the cascade where all weights are random."""
    if table.empty or "stage" not in table:
        return pd.DataFrame(columns=["backbone", "mean"])
    rows = table[(table["method"] == method) & (table["metric"] == "cosine")]
    return rows[rows["stage"] == rows["stage"].max()]


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
    return {frozenset((a, b)): float(value) for (a, b), value in found.items()}


def _sentence(
    record: StudyRecord, table: pd.DataFrame, pairs: pd.Series, method: str, baseline: str
) -> str:
    parts = [
        _against_random(table, method, "deletion_positive", baseline),
        _against_random(table, method, "deletion_negative", baseline),
        _channels(table, method),
        _changes(record.cascade, method),
        _moves(table, method, baseline),
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
    return _moved(rows, _CLAIMS[measure], "a random map does")


def _moved(rows: pd.DataFrame, claim: str, control: str) -> str:
    """Say on how many networks the prediction moves as claimed, and more than by the control.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of one method and measure, positive where the prediction moves as claimed.
    claim, control : str
        Words for the method's removal and for the control's.
    """
    rows = rows[rows["control"] == "random"].drop_duplicates("backbone").dropna(subset=["mean"])
    n = len(rows)
    if not n:
        return ""
    if not (rows["mean"] > 0).any():
        return f"{claim} on average for no network of {n}"
    moved = rows[rows["mean"] > 0]
    said = f"{claim} on average for {len(moved)} of {count(n, 'network')}"
    if P_CORRECTED not in rows:
        return said
    more, less = int(told_apart(moved)[0].sum()), int(told_apart(rows)[1].sum())
    said += f", more than {control} for {more if more else 'none'}"
    return said + (f" and less for {less}" if less else "")


def _channels(table: pd.DataFrame, method: str) -> str:
    measure = {"evidence": _CHANNELS[0], "ais": _CHANNELS[1]}.get(method)
    if measure is None:
        return ""
    rows = _of(table, method, measure, "zero")
    if rows.empty:
        return ""
    what = {
        "evidence": "removing its highest-scored channels lowers the prediction",
        "ais": "without its highest-scored channels the prediction gets further from the rating",
    }[method]
    return _moved(rows, what, "random channels do")


def _changes(table: pd.DataFrame, method: str) -> str:
    rows = _last_stage(table, method)
    if rows.empty:
        return ""
    cosines = rows["mean"].dropna().to_numpy(dtype=float)
    if not len(cosines):
        return "of its maps with random weights nothing can be said, they are undefined"
    ends = number(cosines.min()), number(cosines.max())
    value = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    when = f"when all weights are random (cosine {value})"
    verdicts = dict.fromkeys(_verdict(float(cosine)) for cosine in sorted(cosines)[::-1])
    if len(verdicts) == 1:
        return f"the map {next(iter(verdicts))} {when}"
    return f"the map {' or '.join(verdicts)}, by network, {when}"


def _verdict(cosine: float) -> str:
    """Say how far a map with this cosine to the intact network's has changed."""
    shown = round(cosine, 2)
    if shown >= _UNCHANGED:
        return "hardly changes"
    return "changes in part" if shown >= _IN_PART else "changes"


def _moves(table: pd.DataFrame, method: str, baseline: str) -> str:
    rows = _of(table, method, "sensitivity", baseline)
    if rows.empty:
        return ""
    means = rows.drop_duplicates("backbone")["mean"].dropna()
    if means.empty:
        return ""
    mean = percent(float(means.mean()))
    return f"on average it moves by up to {mean} of its norm on images nearby"


def _between(table: pd.DataFrame, method: str) -> str:
    if table.empty:
        return ""
    rows = table[(table["map"] == method) & (table["metric"] == "cosine")].dropna(subset=["mean"])
    if rows.empty:
        return ""
    return f"networks agree by it with a mean cosine of {number(float(rows['mean'].mean()))}"


def _like_evidence(pairs: pd.Series, method: str) -> str:
    known = _by_pair(pairs)
    kind = leading_kind(name for pair in known for name in pair)
    if kind is None:
        return ""
    value = known.get(frozenset((method, kind)))
    if kind not in EVIDENCE or value is None or method == kind or not np.isfinite(value):
        return ""
    return f"its cosine with the {name_of(kind)} map is {number(value)}"
