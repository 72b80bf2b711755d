"""Maps against evidence whose place is known: tables, charts and what they say."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.report.charts.dots import DotChart, Mark, dot_chart
from aisthesis.report.folder.selection import EVIDENCE, leading_kind
from aisthesis.report.sentences.kinds_of_evidence import observe_kinds
from aisthesis.report.sentences.observed_agreement import strongest_pairs
from aisthesis.report.sentences.tables import Value, any_table
from aisthesis.report.sentences.told_apart import told_apart
from aisthesis.report.words.pair_words import Row, of
from aisthesis.report.words.wording import (
    KIND_NAMES,
    and_list,
    capitalised,
    estimate,
    name_of,
    number,
    number_or_dash,
    same_number,
    span,
)

__all__ = [
    "KnownPlaces",
    "known_places",
    "map_chart",
    "observe_agreeing_pair",
    "observe_found",
    "over_networks",
    "place_charts",
    "score_cell",
    "side_rows",
    "verdicts",
]

_NEEDED = {"backbone", "map", "side", "score", "control", "mean", "low", "high"}
_SCORES = {"auc": "Pixel AUC", "mass": "Mass inside", "pointing": "Pointing game"}
#: The side on which each kind of map has a natural reading.
_NATURAL = {
    "evidence_place": "raising",
    "evidence": "raising",
    "ais_place": "either",
    "ais": "either",
}
#: Kinds of maps and controls in the order of their marks; others follow under their own names.
_MAPS = {
    "evidence_place": "evidence by place",
    "evidence": "evidence map",
    "ais_place": "AIS by place",
    "ais": "AIS map",
    "activation": "mean activation",
    "centre": "centre prior",
    "people": "other people",
    "evidence_place_random_weights": "evidence by place, random weights",
    "evidence_random_weights": "evidence map, random weights",
    "ais_place_random_weights": "AIS by place, random weights",
    "ais_random_weights": "AIS map, random weights",
}
_MOST_MARKS = 7  # shapes and colours that can be told apart
_UNSHOWN = ("uniform",)  # half everywhere, by construction
_SIDE_WORDS = {
    "raising": "evidence that raises the rating",
    "lowering": "evidence that lowers the rating",
    "either": "evidence of either sign",
}


@dataclass(frozen=True)
class KnownPlaces:
    """The localisation section of the page.

    Attributes
    ----------
    sentences : list of str
        What the numbers say.
    header, rows : list
        The main table, or the whole one where its columns are not known.
    all_header, all_rows : list
        Everything that was computed.
    """

    sentences: list[str]
    header: list[str]
    rows: list[list[Value]]
    all_header: list[str]
    all_rows: list[list[Value]]


def known_places(
    table: pd.DataFrame,
    agreement: pd.DataFrame | None = None,
    faithfulness: pd.DataFrame | None = None,
) -> KnownPlaces | None:
    """Read `localisation.csv`; None where the study has none.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns that `aisthesis.faithfulness` writes, or any others, which are then
        shown as they are.
    agreement : pandas.DataFrame, optional
        `agreement.csv`, for what agreement says about being right.
    faithfulness : pandas.DataFrame, optional
        `faithfulness.csv`, for which kind of map moves the prediction.

    Returns
    -------
    KnownPlaces or None
        What the page shows.
    """
    if table.empty:
        return None
    all_header, all_rows = any_table(table)
    if not set(table.columns) >= _NEEDED:
        return KnownPlaces([], all_header, all_rows, [], [])
    if agreement is None:
        agreement = pd.DataFrame(columns=["map", "metric", "mean"])
    sentences = [
        *(_sentence(table, kind) for kind in _NATURAL),
        *(observe_wrong(table, kind) for kind in EVIDENCE),
        observe_agreeing_pair(table, agreement),
        *observe_kinds(table, pd.DataFrame() if faithfulness is None else faithfulness),
    ]
    header, rows = _main_table(table)
    said = [text for text in sentences if text]
    return KnownPlaces(said, header, rows, all_header, all_rows)


def observe_found(table: pd.DataFrame) -> str | None:
    """Give the sentence on evidence maps for the answer, by place where there are some."""
    if not set(table.columns) >= _NEEDED:
        return None
    return next((said for kind in EVIDENCE if (said := _sentence(table, kind))), None)


def observe_wrong(table: pd.DataFrame, kind: str = "evidence") -> str | None:
    """Name the backbones whose evidence maps, of a kind, point away from the evidence."""
    found = {
        side: side_rows(table, kind, side, "auc").query("high < 0.5").index
        for side in ("raising", "lowering")
    }
    parts = [
        f"{and_list([str(b) for b in names])} {'points' if len(names) == 1 else 'point'} away "
        f"from {_SIDE_WORDS[side]}"
        for side, names in found.items()
        if len(names)
    ]
    if not parts:
        return None
    return (
        f"Some {KIND_NAMES[kind]} maps are wrong, not only vague: {and_list(parts)} (pixel AUC "
        "below 0.50 with all of its interval)."
    )


def observe_agreeing_pair(table: pd.DataFrame, agreement: pd.DataFrame) -> str | None:
    """Set the strongest agreement beside how well both of the pair find the evidence."""
    kind = leading_kind(agreement["map"].dropna())
    if kind not in EVIDENCE:
        return None
    pair = strongest_pairs(agreement, kind, "cosine")
    found = _pick(table, kind, "auc")
    if len(pair) != 2 or not set(pair) <= set(found.index):
        return None
    by_name = found.to_dict("index")
    aucs, lows = ([float(by_name[name][end]) for name in pair] for end in ("mean", "low"))
    said = (
        f"The two networks whose {KIND_NAMES[kind]} maps agree most, {pair[0]} and {pair[1]}, have "
        f"pixel AUCs of {number(aucs[0])} and {number(aucs[1])}"
    )
    if all(low > 0.5 for low in lows):
        return f"{said}: here those who agree both find the evidence."
    return (
        f"{said}, not both of them shown to be above chance: agreement is no proof of being right."
    )


def _pick(table: pd.DataFrame, kind: str, score: str, control: str = "none") -> pd.DataFrame:
    """Rows of the side on which this kind of map has a natural reading, by backbone."""
    return side_rows(table, kind, _NATURAL[kind], score, control)


def side_rows(
    table: pd.DataFrame, kind: str, side: str, score: str, control: str = "none"
) -> pd.DataFrame:
    """Defined rows of one kind of map, side, score and control, by network."""
    rows = table[(table["map"] == kind) & (table["side"] == side)]
    rows = rows[(rows["score"] == score) & (rows["control"] == control)]
    rows = rows.dropna(subset=["mean"]).drop_duplicates("backbone")
    return rows.set_index("backbone", drop=False).rename_axis(None)


def _sentence(table: pd.DataFrame, kind: str) -> str | None:
    """Say how well a kind of map finds its evidence, and whether it beats the centre prior."""
    found = _pick(table, kind, "auc")
    if found.empty:
        return None
    name, where = KIND_NAMES[kind], _SIDE_WORDS[_NATURAL[kind]]
    start = f"{capitalised(name)} maps find {where} with a pixel AUC of {over_networks(found)}"
    above = _pick(table, kind, "auc", "centre")
    above = above[above["backbone"].isin(found.index)]  # who has no score has no verdict
    start += "; 0.50 is chance"
    if above.empty:
        return f"{start}."
    return f"{start}; against a map that knows only the centre that is {verdicts(found, above)}."


def over_networks(found: pd.DataFrame) -> str:
    """Say a score of one network, or from the least to the greatest of several.

    Parameters
    ----------
    found : pandas.DataFrame
        `backbone`, `mean`, `low`, `high`; a row a network.
    """
    ranked = found.sort_values("mean", kind="stable").to_dict("records")
    least, most = ranked[0], ranked[-1]
    if len(ranked) == 1:
        return f"{estimate(most['mean'], most['low'], most['high'])} ({most['backbone']})"
    if same_number(least["mean"], most["mean"]):
        return f"{number(most['mean'])} on all {len(ranked)} networks"
    return (
        f"{number(least['mean'])} ({least['backbone']}) to {number(most['mean'])} "
        f"({most['backbone']})"
    )


def verdicts(found: pd.DataFrame, above: pd.DataFrame) -> str:
    """Say for which networks a difference, of which more is better, is above or below zero.

    Parameters
    ----------
    found, above : pandas.DataFrame
        Scores, and their differences to a control's with `low`, `high` and `p_corrected`; by
        network.
    """
    known = above[above["low"].notna() & above["high"].notna()]
    if "p_corrected" in known:
        higher, lower = told_apart(known, "mean", "p_corrected")
    else:  # of a study of before
        higher, lower = known["low"] > 0, known["high"] < 0
    better, worse = ([str(name) for name in known.index[side]] for side in (higher, lower))
    open_ = [str(name) for name in known.index if name not in (*better, *worse)]
    unknown = [str(name) for name in found.index if name not in known.index]
    return and_list([
        f"{words} for {'every network' if len(names) == len(found) > 1 else and_list(names)}"
        for names, words in (
            (better, "better"),
            (worse, "worse"),
            (open_, "not distinguishable"),
            (unknown, "not known"),
        )
        if names
    ])  # fmt: skip


def _main_table(table: pd.DataFrame) -> tuple[list[str], list[list[Value]]]:
    header = ["Backbone", "Map", "Sought", *_SCORES.values(), "AUC above centre prior"]
    rows = []
    asked = [*((score, "none") for score in _SCORES), ("auc", "centre")]
    found = {
        (kind, *each): _pick(table, kind, *each).to_dict("index")
        for kind in _NATURAL
        for each in asked
    }
    for backbone in dict.fromkeys(table["backbone"]):
        for kind, side in _NATURAL.items():
            cells = [score_cell(found[kind, *each].get(backbone)) for each in asked]
            if all(cell.text == number_or_dash(np.nan) for cell in cells[:-1]):
                continue
            words = [str(backbone), KIND_NAMES[kind], _SIDE_WORDS[side]]
            rows.append([*(Value(text, numeric=False) for text in words), *cells])
    return header, rows


def score_cell(found: Mapping[Hashable, Any] | None) -> Value:
    """A score with its interval, or a dash."""
    if found is None:
        return Value(number_or_dash(np.nan))
    return Value(number_or_dash(found["mean"]), span(found["low"], found["high"]))


def place_charts(table: pd.DataFrame) -> dict[str, DotChart]:
    """Lay out the pixel AUC of every kind of map, its controls beside it, by side.

    Empty where the table has no such scores.
    """
    if not set(table.columns) >= _NEEDED:
        return {}
    rows = table[(table["score"] == "auc") & (table["control"] == "none")].dropna(subset=["mean"])
    rows = rows[~rows["map"].isin(_UNSHOWN)]
    found = {}
    for side, words in _SIDE_WORDS.items():
        own = rows[rows["side"] == side]
        if len(own):
            title, unit = f"Finding {words}", "pixel AUC (0.5 is chance)"
            found[side] = map_chart(own, title, unit, 0.5, (0.0, 1.0))
    return found


def map_chart(
    own: pd.DataFrame, title: str, unit: str, reference: float, ends: tuple[float, ...] = ()
) -> DotChart:
    """Chart a score of maps: rows are backbones, or methods where there are too many for marks.

    Parameters
    ----------
    own : pandas.DataFrame
        `backbone`, `map`, `mean`, `low`, `high`.
    title, unit, reference, ends
        As of `dot_chart`.
    """
    others = [str(name) for name in dict.fromkeys(own["map"]) if name not in _MAPS]
    series = {**_MAPS, **{name: name_of(name) for name in others}}
    rows, marks = "backbone", "map"
    if own["map"].nunique() > _MOST_MARKS:
        rows, marks = "map", "backbone"
    laid = [
        (
            series[str(label)] if rows == "map" else str(label),
            [_mark(row, marks) for row in part.to_dict("records")],
        )
        for label, part in own.groupby(rows, sort=False)
    ]
    if rows == "map":
        order = {words: k for k, words in enumerate(series.values())}
        laid.sort(key=lambda row: order[row[0]])
        series = {str(name): str(name) for name in dict.fromkeys(own["backbone"])}
    return dot_chart(title, unit, series, laid, reference=reference, ends=ends)


def _mark(row: Row, name: str) -> Mark:
    return Mark(str(row[name]), of(row, "mean"), of(row, "low"), of(row, "high"))
