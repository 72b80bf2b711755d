"""Which kind of map finds the evidence or moves the prediction, by channel or by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from aisthesis.report.sentences.told_apart import P_CORRECTED, told_apart
from aisthesis.report.words.wording import and_list, number, span

__all__ = ["observe_kinds", "observe_signs"]

_PLACE, _CHANNEL = "evidence_place", "evidence"
_DIFFERENCE = ("difference", "difference_low", "difference_high")
_SIDES = {
    "raising": "at finding evidence that raises the rating (pixel AUC)",
    "lowering": "at finding evidence that lowers the rating (pixel AUC)",
}
_MEASURES = {
    "deletion_positive": "at ranking highest what lowers the prediction when removed (deletion)",
    "road": "at ranking what moves the prediction when removed (ROAD)",
}


def observe_kinds(localisation: pd.DataFrame, faithfulness: pd.DataFrame) -> list[str]:
    """Compare evidence by place with evidence by channel, network by network, on the same images.

    Only differences that are clear once corrected for how many are compared are told as such.

    Parameters
    ----------
    localisation, faithfulness : pandas.DataFrame
        `localisation.csv` and `faithfulness.csv`; either may be empty.
    """
    said = []
    if {"map", "side", "score", "control"} <= set(localisation.columns):
        for side, words in _SIDES.items():
            rows = localisation[
                (localisation["map"] == _PLACE)
                & (localisation["side"] == side)
                & (localisation["score"] == "auc")
                & (localisation["control"] == _CHANNEL)
            ]
            said.append(_verdict(rows, words, ("mean", "low", "high")))
    if {"method", "measure", "control"} <= set(faithfulness.columns):
        for measure, words in _MEASURES.items():
            rows = faithfulness[
                (faithfulness["method"] == _PLACE)
                & (faithfulness["measure"] == measure)
                & (faithfulness["control"] == _CHANNEL)
            ]
            said.append(_verdict(rows, words, _DIFFERENCE))
    return [text for text in said if text]


def _verdict(rows: pd.DataFrame, what: str, columns: Sequence[str]) -> str | None:
    """Say for which networks maps by place are better, worse, or not told apart.

    Parameters
    ----------
    rows : pandas.DataFrame
        Differences, by place less by channel, on the same images.
    what : str
        At what.
    columns : sequence of str
        Columns of the difference and of its interval's ends.
    """
    rows = rows.drop_duplicates("backbone")
    rows = rows[rows[columns[0]].notna()].reset_index(drop=True)
    if rows.empty:
        return None
    _, low, high = (rows[column].astype(float) for column in columns)
    p = next((name for name in (P_CORRECTED, "p_corrected") if name in rows), None)
    above, below = told_apart(rows, columns[0], p) if p else (low > 0, high < 0)
    groups: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
    for place, row in enumerate(rows.to_dict("records")):
        mean, *ends = (float(row[column]) for column in columns)
        group = "better" if above[place] else "worse" if below[place] else "not told apart"
        groups[group].append(f"{row['backbone']} ({_signed(mean)}, {_interval(*ends)})")
    found = "; ".join(
        f"{group} for {and_list(networks)}" for group, networks in groups.items() if networks
    )
    corrected = ", corrected over networks" if p else ""
    return f"Evidence by place against evidence by channel {what}{corrected}: {found}."


def _signed(mean: float) -> str:
    """Say a difference with its sign; one that rounds to zero has none."""
    said = number(mean)
    return f"+{said}" if float(round(mean, 2)) > 0 else said


def _interval(low: float, high: float) -> str:
    said = span(low, high)
    return f"95% interval {said}" if said else "no interval"


def observe_signs(backbones: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Warn where a channel-weighted map depends on a sign that nobody chose.

    Parameters
    ----------
    backbones : mapping
        `provenance.json`'s record of each.
    """
    free = [label for label, one in backbones.items() if one.get("sign_is_arbitrary") is True]
    if not free:
        return None
    one = len(free) == 1
    return (
        f"The AIS and evidence maps of {and_list(free)} that are weighted by channels depend on "
        f"{'a sign that is' if one else 'signs that are'} arbitrary: the layer is followed at once "
        "by a normalisation or another linear layer, so any of its channels could be turned over "
        "without changing a prediction, and the map would show another part of the image. Maps by "
        "place do not depend on it."
    )
