"""Maps against where people look or click: a table, a chart and what they say."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from aisthesis.human_maps import SALIENCY_MEASURES
from aisthesis.report.charts.dots import DotChart
from aisthesis.report.parts.known_places import (
    map_chart,
    over_networks,
    score_cell,
    side_rows,
    verdicts,
)
from aisthesis.report.sentences.tables import Value, any_table
from aisthesis.report.words.wording import KIND_NAMES, and_list, capitalised, name_of

__all__ = ["PeoplesPlaces", "observe_people", "people_chart", "peoples_places"]

_NEEDED = {
    "backbone", "map", "side", "score", "control", "mean", "low", "high", "n", "n_undefined"
}  # fmt: skip
#: What maps are held against, by the kind of the human maps.
_WHERE = {
    "fixations": "where people look",
    "clicks": "where people click",
    "densities": "where people’s maps are high",
    "masks": "what people’s masks hold",
}
_KINDS = ("evidence_place", "evidence", "ais_place", "ais")
#: Maps whose sign is left aside; the others have none.
_SIDE = "either"
_CONTROLS = {
    "centre": "against a map that knows only the centre",
    "other_images": "against the same network’s maps of other images",
}


@dataclass(frozen=True)
class PeoplesPlaces:
    """The section on where people look.

    Attributes
    ----------
    where : str
        What the maps are held against.
    sentences : list of str
        What the numbers say.
    left_out : list of str
        What of the human maps was left out or understood otherwise.
    header, rows, all_header, all_rows : list
        The main table, and everything that was computed.
    """

    where: str
    sentences: list[str]
    left_out: list[str]
    header: list[str]
    rows: list[list[Value]]
    all_header: list[str]
    all_rows: list[list[Value]]


def peoples_places(table: pd.DataFrame, facts: object = None) -> PeoplesPlaces | None:
    """Read `human_maps.csv`; None where the study has none, or one of another make.

    Parameters
    ----------
    table : pandas.DataFrame
        As `aisthesis.human_maps.human_map_table` gives it, of all networks.
    facts : mapping, optional
        `human_maps` of `provenance.json`: their `kind`, and what was `said` of them.
    """
    if table.empty or not set(table.columns) >= _NEEDED:
        return None
    facts = facts if isinstance(facts, dict) else {}
    where = _WHERE.get(str(facts.get("kind")), _WHERE["fixations"])
    kinds = [kind for kind in _KINDS if (table["map"] == kind).any()]
    sentences = [observe_people(table, kind, where) for kind in kinds]
    sentences += [_ceiling(table, kinds[0]), _uncounted(table, kinds[0])] if kinds else []
    header, rows = _main_table(table)
    said = [str(line) for line in facts.get("said") or ()]
    return PeoplesPlaces(
        where, [text for text in sentences if text], said, header, rows, *any_table(table)
    )


def observe_people(table: pd.DataFrame, kind: str, where: str = _WHERE["fixations"]) -> str | None:
    """Say how well a kind of map says where people look, and whether it beats its controls."""
    if not set(table.columns) >= _NEEDED:
        return None
    lead = _lead(table)
    found = side_rows(table, kind, _SIDE, lead)
    if found.empty:
        return None
    chance = "0 is chance" if lead == "nss" else "0 is no relation"
    text = (
        f"{capitalised(KIND_NAMES[kind])} maps, without regard to their sign, say {where} with "
        f"{_range(found, lead)}; {chance}"
    )
    for control, words in _CONTROLS.items():
        above = side_rows(table, kind, _SIDE, lead, control)
        above = above[above["backbone"].isin(found.index)]
        if len(above):
            text += f"; {words} that is {verdicts(found, above)}"
    return f"{text}."


def _lead(table: pd.DataFrame) -> str:
    """NSS, or CC where no single fixations are known."""
    return "nss" if (table["score"] == "nss").any() else "cc"


def _range(found: pd.DataFrame, score: str) -> str:
    """Say a score of one network, or from the least to the greatest of several."""
    article = "an" if score == "nss" else "a"
    return f"{article} {SALIENCY_MEASURES[score].title} of {over_networks(found)}"


def _ceiling(table: pd.DataFrame, kind: str) -> str | None:
    """Say how well people say it of one another, and how a kind of map compares."""
    lead = _lead(table)
    people = side_rows(table, "people", _SIDE, lead)
    if people.empty:
        return None
    text = f"All other people’s places say it of one person with {_range(people, lead)}"
    found = side_rows(table, kind, _SIDE, lead)
    beside = side_rows(table, kind, _SIDE, lead, "people")
    if len(found) and len(beside):
        text += (
            f"; against that, person by person, {KIND_NAMES[kind]} maps are "
            f"{verdicts(found, beside[beside['backbone'].isin(found.index)])}"
        )
    return f"{text}."


def _uncounted(table: pd.DataFrame, kind: str) -> str | None:
    """Say on how many images a score is undefined."""
    rows = table[(table["map"] == kind) & (table["side"] == _SIDE) & (table["control"] == "none")]
    rows = rows[(rows["score"] == _lead(table)) & (rows["n_undefined"] > 0)]
    if rows.empty:
        return None
    parts = [
        f"{int(row['n_undefined'])} of {int(row['n'] + row['n_undefined'])} ({row['backbone']})"
        for row in rows.to_dict("records")
    ]
    return (
        "Images that are not counted, because people’s places within what the network saw are not "
        f"known or the map is flat: {and_list(parts)}."
    )


def _main_table(table: pd.DataFrame) -> tuple[list[str], list[list[Value]]]:
    scores = [name for name in SALIENCY_MEASURES if (table["score"] == name).any()]
    lead = _lead(table)
    title = SALIENCY_MEASURES[lead].title
    header = ["Backbone", "Map", *(SALIENCY_MEASURES[name].title for name in scores)]
    header += [f"{title} above centre prior", f"{title} above other images’ maps"]
    asked = [*((name, "none") for name in scores), *((lead, control) for control in _CONTROLS)]
    held = {
        tuple(str(row[key]) for key in ("backbone", "map", "score", "control")): row
        for row in table[table["side"] == _SIDE].to_dict("records")
    }
    rows = []
    for backbone, kind in dict.fromkeys(key[:2] for key in held):
        cells = [score_cell(held.get((backbone, kind, *each))) for each in asked]
        words = "other people" if kind == "people" else name_of(kind)
        rows.append([Value(backbone, numeric=False), Value(words, numeric=False), *cells])
    return header, rows


def people_chart(table: pd.DataFrame) -> DotChart | None:
    """Lay out the leading score of every kind of map beside centre prior and people.

    None where nothing is defined.
    """
    if not set(table.columns) >= _NEEDED:
        return None
    lead = _lead(table)
    own = table[(table["score"] == lead) & (table["control"] == "none")]
    own = own[own["side"] == _SIDE].dropna(subset=["mean"])
    if own.empty:
        return None
    unit = "NSS (0 is chance)" if lead == "nss" else "CC (0 is no relation)"
    return map_chart(own, "Saying where people look", unit, 0.0)
