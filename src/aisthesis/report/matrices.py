"""Pairwise matrices as coloured cells, the same for the page and for the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.maps import DIVERGING_ANCHORS
from aisthesis.report.metricnames import MetricWords, describe
from aisthesis.report.selection import map_kinds, pair_matrix
from aisthesis.report.wording import number_or_dash, span

__all__ = ["Cell", "Matrix", "Scale", "cell_colour", "ink_on", "matrices", "scale_of"]

#: Light to middle green-blue, for unsigned values: evenly darker steps that dark numbers stand on.
SEQUENTIAL_ANCHORS = (
    (247, 250, 250),
    (224, 237, 238),
    (196, 219, 223),
    (160, 196, 203),
    (118, 170, 181),
)
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Scale:
    """Range of values that the colours of one metric span."""

    low: float
    high: float
    signed: bool


@dataclass(frozen=True)
class Cell:
    """One cell of a matrix, ready to be shown."""

    text: str
    title: str
    background: str
    ink: str


@dataclass(frozen=True)
class Matrix:
    """The pairwise means of one metric on one kind of map.

    Attributes
    ----------
    values : numpy.ndarray
        label × label, symmetric, NaN on the diagonal and where undefined.
    rows : list of list of Cell or None
        The same as cells; None on the diagonal.
    """

    kind: str
    metric: str
    words: MetricWords
    labels: list[str]
    scale: Scale
    values: np.ndarray
    rows: list[list[Cell | None]]


def scale_of(agreement: pd.DataFrame, metric: str) -> Scale:
    """Span the colours over all pairs and kinds of maps, so that matrices can be compared."""
    values = agreement.loc[agreement["metric"] == metric, "mean"].dropna().to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if describe(metric).signed:
        limit = float(np.abs(values).max()) if len(values) else 0.0
        return Scale(-max(limit, 0.1), max(limit, 0.1), True)
    top = float(values.max()) if len(values) else 0.0
    # From half the largest at most: below that, all cells of a usual study would be dark.
    low = min(top / 2, float(values.min())) if len(values) else 0.0
    return Scale(low, top if top > low else low + 1.0, False)


def cell_colour(value: float, scale: Scale) -> Colour:
    """Colour a finite value on a scale; signed scales have white at zero."""
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


def _cell(value: float, interval: str, pair: str, scale: Scale) -> Cell:
    if not np.isfinite(value):
        return Cell(number_or_dash(value), f"{pair}: undefined", "transparent", "inherit")
    colour = cell_colour(value, scale)
    title = f"{pair}: {number_or_dash(value, 3)}" + (f" ({interval})" if interval else "")
    return Cell(number_or_dash(value), title, "rgb({} {} {})".format(*colour), ink_on(colour))


def _matrix(agreement: pd.DataFrame, kind: str, metric: str, labels: list[str]) -> Matrix:
    scale = scale_of(agreement, metric)
    values, low, high = (
        pair_matrix(agreement, kind, metric, labels, column) for column in ("mean", "low", "high")
    )
    rows: list[list[Cell | None]] = [
        [
            None if i == j
            else _cell(values[i, j], span(low[i, j], high[i, j], 3), f"{a} and {b}", scale)
            for j, b in enumerate(labels)
        ]
        for i, a in enumerate(labels)
    ]  # fmt: skip
    return Matrix(kind, metric, describe(metric), labels, scale, values, rows)


def matrices(
    agreement: pd.DataFrame, metrics: list[str], labels: list[str]
) -> dict[str, list[Matrix]]:
    """Lay out every metric as a matrix, per kind of map.

    Parameters
    ----------
    agreement : pandas.DataFrame
        `agreement.csv`.
    metrics, labels : list of str
        Which metrics and backbones, in which order.

    Returns
    -------
    dict of str to list of Matrix
        By kind of map, AIS first.
    """
    return {
        kind: [_matrix(agreement, kind, metric, labels) for metric in metrics]
        for kind in map_kinds(agreement)
    }
