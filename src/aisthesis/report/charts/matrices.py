"""Pairwise matrices as coloured cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.maps.colour import DIVERGING_ANCHORS
from aisthesis.report.folder.selection import map_kinds, pair_matrix
from aisthesis.report.words.metricnames import MetricWords, describe
from aisthesis.report.words.pair_words import Row, not_above_chance, of, pair_line, self_line
from aisthesis.report.words.wording import number_or_dash

__all__ = [
    "Cell",
    "Matrix",
    "Scale",
    "cell_colour",
    "ink_on",
    "matrices",
    "mixed",
    "own_value",
    "scale_of",
    "views_of",
]

#: The column of `agreement.csv` that each view shows.
VIEWS = {"raw": "mean", "disattenuated": "disattenuated"}

#: Light to middle green-blue, for unsigned values: evenly darker steps that dark numbers stand on.
SEQUENTIAL_ANCHORS = (
    (247, 250, 250),
    (224, 237, 238),
    (196, 219, 223),
    (160, 196, 203),
    (118, 170, 181),
)
#: The same on a dark page, where strong is bright: zero sinks into the ground.
DARK_DIVERGING_ANCHORS = (
    (154, 204, 246), (98, 162, 222), (55, 111, 171), (38, 71, 107), (36, 41, 47),
    (102, 50, 47), (163, 66, 61), (218, 109, 93), (250, 176, 158),
)  # fmt: skip
DARK_SEQUENTIAL_ANCHORS = (
    (36, 41, 47), (38, 66, 73), (47, 97, 107), (72, 138, 150), (124, 190, 201),
)  # fmt: skip
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Scale:
    """Range of values that the colours of one metric span."""

    low: float
    high: float
    signed: bool


@dataclass(frozen=True)
class Cell:
    """One cell of a matrix, ready to be shown.

    Attributes
    ----------
    text, line
        Its number, and all that is known of the pair in one line.
    ground, ink
        Classes of the cell's colour and of its number's, for a light and a dark page; empty where
        it has no colour of its own.
    doubtful
        The value is not shown to be above chance.
    own
        On the diagonal: a backbone with itself.
    """

    text: str
    line: str
    ground: str = ""
    ink: str = ""
    doubtful: bool = False
    own: bool = False


@dataclass(frozen=True)
class Matrix:
    """The pairwise values of one metric on one kind of map.

    Attributes
    ----------
    view : {"raw", "disattenuated"}
        As measured, or freed of what other seeds change.
    values, low, high : numpy.ndarray
        label × label, symmetric, NaN on the diagonal and where undefined.
    own : numpy.ndarray
        (label,) reliability of each backbone; NaN where not known.
    own_averaged : bool
        Whether `own` is that of the average over seeds, as the pairs are, and not of single seeds.
    rows : list of list of Cell or None
        The same as cells; None on a diagonal that holds nothing.
    """

    kind: str
    metric: str
    view: str
    words: MetricWords
    labels: list[str]
    scale: Scale
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    own: np.ndarray
    own_averaged: bool
    rows: list[list[Cell | None]]

    @property
    def own_words(self) -> str:
        """What the diagonal holds; empty where it holds nothing."""
        if not np.isfinite(self.own).any():
            return ""
        if self.own_averaged:
            return "reliability: what averages over as many other seeds would agree to"
        return "reliability: agreement between single seeds"

    @property
    def doubtful(self) -> bool:
        """Whether some cell is not shown to be above chance."""
        return any(cell is not None and cell.doubtful for row in self.rows for cell in row)


def scale_of(agreement: pd.DataFrame, metric: str) -> Scale:
    """Span the colours over all pairs, maps and views, so that matrices can be compared."""
    rows = agreement[agreement["metric"] == metric]
    shown = [rows[column] for column in VIEWS.values() if column in rows.columns]
    values = pd.concat(shown).dropna().to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if describe(metric).signed:
        limit = min(float(np.abs(values).max()), 1.0) if len(values) else 0.0
        return Scale(-max(limit, 0.1), max(limit, 0.1), True)
    top = float(values.max()) if len(values) else 0.0
    # From half the largest at most: below that, all cells of a usual study would be dark.
    low = min(top / 2, float(values.min())) if len(values) else 0.0
    return Scale(low, top if top > low else low + 1.0, False)


def cell_colour(value: float, scale: Scale, *, dark: bool = False) -> Colour:
    """Colour a finite value on a scale; signed scales have the page's ground at zero.

    The stronger a value, the further its colour is from the ground of a light or a dark page.
    """
    anchors: Sequence[Colour]
    if dark:
        anchors = DARK_DIVERGING_ANCHORS if scale.signed else DARK_SEQUENTIAL_ANCHORS
    else:
        # The darkest arms of the diverging scale are left to the maps: numbers must stay readable.
        anchors = DIVERGING_ANCHORS[1:-1] if scale.signed else SEQUENTIAL_ANCHORS
    share = np.clip((value - scale.low) / (scale.high - scale.low), 0.0, 1.0)
    positions = np.linspace(0.0, 1.0, len(anchors))
    channels = np.asarray(anchors, dtype=float).T
    red, green, blue = (round(float(np.interp(share, positions, c))) for c in channels)
    return red, green, blue


def _luminance(colour: Colour) -> float:
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(background: Colour) -> str:
    """Choose the text colour with the better contrast ratio (WCAG 2) on a background."""
    light = _luminance(background) + 0.05
    return "#000000" if light / 0.05 >= 1.05 / light else "#ffffff"


def _cell(row: Row | None, pair: str, view: str, scale: Scale) -> Cell:
    value = float("nan") if row is None else of(row, VIEWS[view])
    if row is None or not np.isfinite(value):
        return Cell(number_or_dash(value), f"{pair}: undefined")
    light, dark = cell_colour(value, scale), cell_colour(value, scale, dark=True)
    return Cell(
        number_or_dash(value),
        pair_line(row, view),
        mixed(light, dark),
        f"mix-{ink_on(light)[1:]}-{ink_on(dark)[1:]}",
        doubtful=view == "raw" and not_above_chance(row),
    )


def mixed(light: Colour, dark: Colour) -> str:
    """Class of a colour that differs between light and dark pages; see `mixed_colours`."""
    return "mix-" + "-".join("".join(f"{channel:02x}" for channel in one) for one in (light, dark))


def _own_cell(row: Row | None) -> Cell | None:
    if row is None or not np.isfinite(own_value(row)):
        return None
    return Cell(number_or_dash(own_value(row)), self_line(row), own=True)


def own_value(row: Row) -> float:
    """Give the reliability that pairs of averaged maps compare to: stepped up where known."""
    stepped_up = of(row, "stepped_up")
    return stepped_up if np.isfinite(stepped_up) else of(row, "mean")


def _matrix(
    agreement: pd.DataFrame,
    reliability: pd.DataFrame,
    kind: str,
    metric: str,
    view: str,
    labels: list[str],
) -> Matrix:
    scale = scale_of(agreement, metric)
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    by_pair = {
        frozenset((row["backbone_a"], row["backbone_b"])): row for row in rows.to_dict("records")
    }
    own = _own_rows(reliability, kind, metric) if view == "raw" else {}
    cells: list[list[Cell | None]] = [
        [
            _own_cell(own.get(a)) if a == b
            else _cell(by_pair.get(frozenset((a, b))), f"{a} and {b}", view, scale)
            for b in labels
        ]
        for a in labels
    ]  # fmt: skip
    low, high = ("low", "high") if view == "raw" else ("disattenuated_low", "disattenuated_high")
    values, low_end, high_end = (
        pair_matrix(agreement, kind, metric, labels, column) for column in (VIEWS[view], low, high)
    )
    diagonal = np.array([own_value(own[a]) if a in own else np.nan for a in labels])
    averaged = any(np.isfinite(of(row, "stepped_up")) for row in own.values())
    return Matrix(
        kind, metric, view, describe(metric), labels, scale, values, low_end, high_end, diagonal,
        averaged, cells,
    )  # fmt: skip


def _own_rows(reliability: pd.DataFrame, kind: str, metric: str) -> dict[str, Row]:
    rows = reliability[(reliability["map"] == kind) & (reliability["metric"] == metric)]
    return {str(row["backbone"]): row for row in rows.to_dict("records")}


def views_of(agreement: pd.DataFrame, kind: str, metric: str) -> list[str]:
    """Name the views that hold a value: always `raw`, `disattenuated` where it is defined."""
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    corrected = VIEWS["disattenuated"]
    has = corrected in rows.columns and rows[corrected].notna().any()
    return ["raw", "disattenuated"] if has else ["raw"]


def matrices(
    agreement: pd.DataFrame,
    reliability: pd.DataFrame,
    metrics: list[str],
    labels: list[str],
) -> list[Matrix]:
    """Lay out every kind of map, metric and view as a matrix.

    Parameters
    ----------
    agreement, reliability : pandas.DataFrame
        `agreement.csv` and `reliability.csv`; the latter may be empty.
    metrics, labels : list of str
        Which metrics and backbones, in which order.

    Returns
    -------
    list of Matrix
        By kind of map (AIS first), then metric, then view.
    """
    return [
        _matrix(agreement, reliability, kind, metric, view, labels)
        for kind in map_kinds(agreement)
        for metric in metrics
        for view in views_of(agreement, kind, metric)
    ]
