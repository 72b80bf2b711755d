"""Maps against evidence whose place is known: table, figure and what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aisthesis.report.figures import INK, QUIET, quiet_frame
from aisthesis.report.tables import Value, any_table
from aisthesis.report.wording import KIND_NAMES, and_list, estimate, number, number_or_dash, span

__all__ = ["KnownPlaces", "draw_known_places", "known_places"]

_NEEDED = {"backbone", "map", "side", "score", "control", "mean", "low", "high"}
_SCORES = {"auc": "Pixel AUC", "mass": "Mass inside", "pointing": "Pointing game"}
#: The side on which each kind of map has a natural reading.
_NATURAL = {"evidence": "raising", "ais": "either"}
_MAPS = {
    "evidence": ("evidence", "#2166ac", "o"),
    "ais": ("AIS", "#b2182b", "D"),
    "activation": ("activation", "#d98b1f", "s"),
    "centre": ("centre prior", "#6f7780", "^"),
    "random_weights": ("random weights", "#9970ab", "v"),
}
_SIDE_WORDS = {"raising": "evidence that raises the rating", "either": "evidence of either sign"}


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


def known_places(table: pd.DataFrame) -> KnownPlaces | None:
    """Read `localisation.csv`; None where the study has none.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns that `aisthesis.faithfulness` writes, or any others, which are then
        shown as they are.

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
    sentences = [_sentence(table, kind) for kind in _NATURAL]
    header, rows = _main_table(table)
    said = [text for text in sentences if text]
    return KnownPlaces(said, header, rows, all_header, all_rows)


def _pick(table: pd.DataFrame, kind: str, score: str, control: str = "none") -> pd.DataFrame:
    rows = table[(table["map"] == kind) & (table["side"] == _NATURAL[kind])]
    rows = rows[(rows["score"] == score) & (rows["control"] == control)]
    return rows.dropna(subset=["mean"]).set_index("backbone", drop=False).rename_axis(None)


def _sentence(table: pd.DataFrame, kind: str) -> str | None:
    """Say how well a kind of map finds its evidence, and whether it beats the centre prior."""
    found = _pick(table, kind, "auc")
    if found.empty:
        return None
    ranked = found.sort_values("mean", kind="stable").to_dict("records")
    worst, best = ranked[0], ranked[-1]
    name, where = KIND_NAMES[kind], _SIDE_WORDS[_NATURAL[kind]]
    start = f"{name[0].upper()}{name[1:]} maps find {where} with a pixel AUC of "
    if len(found) == 1:
        start += estimate(best["mean"], best["low"], best["high"]) + f" ({best['backbone']})"
    else:
        start += (
            f"{number(worst['mean'])} ({worst['backbone']}) to "
            f"{number(best['mean'])} ({best['backbone']})"
        )
    above = _pick(table, kind, "auc", "centre")
    if above.empty:
        return f"{start}; 0.50 is chance."
    better = [str(name) for name, low in above["low"].items() if low > 0]
    worse = [str(name) for name, high in above["high"].items() if high < 0]
    open_ = [str(name) for name in above.index if name not in (*better, *worse)]
    verdicts = [
        f"{words} for {'every backbone' if len(names) == len(above) > 1 else and_list(names)}"
        for names, words in (
            (better, "clearly better than a map that only knows the centre"),
            (worse, "clearly worse than a map that only knows the centre"),
            (open_, "not distinguishable from a map that only knows the centre"),
        )
        if names
    ]
    return f"{start}; that is {and_list(verdicts)}."


def _main_table(table: pd.DataFrame) -> tuple[list[str], list[list[Value]]]:
    header = ["Backbone", "Map", "Sought", *_SCORES.values(), "AUC above centre prior"]
    rows = []
    for backbone in dict.fromkeys(table["backbone"]):
        for kind, side in _NATURAL.items():
            cells = [_cell(table, backbone, kind, score) for score in _SCORES]
            if all(cell.text == number_or_dash(np.nan) for cell in cells):
                continue
            cells.append(_cell(table, backbone, kind, "auc", "centre"))
            words = [str(backbone), KIND_NAMES[kind], _SIDE_WORDS[side]]
            rows.append([*(Value(text, numeric=False) for text in words), *cells])
    return header, rows


def _cell(
    table: pd.DataFrame, backbone: str, kind: str, score: str, control: str = "none"
) -> Value:
    found = _pick(table, kind, score, control).to_dict("index").get(backbone)
    if found is None:
        return Value(number_or_dash(np.nan))
    return Value(number_or_dash(found["mean"]), span(found["low"], found["high"]))


def draw_known_places(table: pd.DataFrame) -> Figure | None:
    """Draw the pixel AUC of every kind of map, its controls beside it; None without such scores."""
    if not set(table.columns) >= _NEEDED:
        return None
    rows = table[(table["score"] == "auc") & (table["control"] == "none")].dropna(subset=["mean"])
    sides = [side for side in _SIDE_WORDS if (rows["side"] == side).any()]
    if not sides:
        return None
    backbones = list(dict.fromkeys(rows["backbone"]))
    size = (4.6 * len(sides) + 1.2, 1.5 + 0.62 * len(backbones))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(1, len(sides), squeeze=False, sharey=True)
    for axes, side in zip(grid[0], sides, strict=True):
        _draw_side(axes, rows[rows["side"] == side], backbones)
        axes.set_title(f"Where is {_SIDE_WORDS[side]}?", fontsize=9, loc="left")
    handles = {
        text: handle
        for axes in grid[0]
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=8,
        frameon=False,
    )  # fmt: skip
    return figure


def _draw_side(axes: Axes, rows: pd.DataFrame, backbones: list[str]) -> None:
    present = [name for name in _MAPS if (rows["map"] == name).any()]
    for k, name in enumerate(present):
        words, colour, marker = _MAPS[name]
        own = rows[rows["map"] == name]
        offset = 0.13 * (k - (len(present) - 1) / 2)
        places = np.array([backbones.index(b) for b in own["backbone"]]) + offset
        axes.hlines(places, own["low"], own["high"], color=colour, lw=1.1)
        axes.plot(own["mean"], places, marker, color=colour, ms=4.5, label=words)
    axes.axvline(0.5, color=QUIET, lw=0.8, ls="--")
    axes.set_yticks(range(len(backbones)), backbones)
    axes.set_ylim(len(backbones) - 0.5, -0.5)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_xlabel("pixel AUC (0.5 is chance)", fontsize=8, color=INK)
    axes.grid(axis="x", color="#e4e7ea", lw=0.6)
    axes.set_axisbelow(True)
    quiet_frame(axes)
