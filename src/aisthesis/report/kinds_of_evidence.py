"""Which kind of map finds the evidence or moves the prediction, by channel or by place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from aisthesis.report.wording import and_list, estimate

__all__ = ["observe_kinds", "observe_signs"]

_PLACE, _CHANNEL = "evidence_place", "evidence"
_SIDES = {
    "raising": "evidence that raises the rating",
    "lowering": "evidence that lowers the rating",
}
_MEASURES = {
    "deletion_positive": "removing what it ranks highest lowers the prediction",
    "road": "the prediction falls and rises with what is removed (ROAD)",
}


def observe_kinds(localisation: pd.DataFrame, faithfulness: pd.DataFrame) -> list[str]:
    """Compare evidence by place with evidence by channel, network by network, on the same images.

    Only differences whose interval excludes zero are told as differences.

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
            ends = rows.rename(columns={"low": "from", "high": "to"})
            said.append(_verdict(ends, f"find {words} better", f"find {words} worse", "pixel AUC"))
    if {"method", "measure", "control"} <= set(faithfulness.columns):
        for measure, words in _MEASURES.items():
            rows = faithfulness[
                (faithfulness["method"] == _PLACE)
                & (faithfulness["measure"] == measure)
                & (faithfulness["control"] == _CHANNEL)
            ].drop_duplicates("backbone")
            ends = rows.drop(columns=["mean"]).rename(
                columns={
                    "difference": "mean",
                    "difference_low": "from",
                    "difference_high": "to",
                }
            )
            better = f"are truer to the prediction ({words} more)"
            worse = f"are less true to the prediction ({words} less)"
            said.append(_verdict(ends, better, worse, "difference"))
    return [text for text in said if text]


def _verdict(rows: pd.DataFrame, better: str, worse: str, what: str) -> str | None:
    """Say for which networks maps by place are better, worse, or not told apart."""
    rows = rows.dropna(subset=["mean", "from", "to"])
    if rows.empty:
        return None
    groups: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
        better: lambda t: t["from"] > 0,
        worse: lambda t: t["to"] < 0,
    }
    parts, told = [], pd.Series(False, index=rows.index)
    for words, chosen in groups.items():
        own = rows[chosen(rows)]
        told |= chosen(rows)
        if len(own):
            parts.append(f"{words} for {_named(own, what)}")
    rest = [str(name) for name in rows[~told]["backbone"]]
    if rest:
        parts.append(f"are not told apart from them for {and_list(rest)}")
    return f"Against maps weighted by channels, evidence maps by place {and_list(parts)}."


def _named(rows: pd.DataFrame, what: str) -> str:
    """Networks with their differences, which are of the same images."""
    return and_list(
        [
            f"{row['backbone']} ({what} {'+' if row['mean'] > 0 else ''}"
            f"{estimate(row['mean'], row['from'], row['to'])})"
            for row in rows.to_dict("records")
        ]
    )


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
