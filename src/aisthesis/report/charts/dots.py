"""Means with their intervals as marks on one axis, a row for each backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.charts.axis import Axis, axis_over
from aisthesis.report.charts.drawing import TEXT, WIDTH, Drawing
from aisthesis.report.words.wording import number, span

__all__ = ["DotChart", "Mark", "dot_chart", "dot_chart_table", "draw_dots"]

_LANE, _LABEL, _SIDE = 11.0, 17.0, 8.0  # units


@dataclass(frozen=True)
class Mark:
    """One mean with its 95% interval; NaN where not known."""

    name: str
    mean: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def text(self) -> str:
        """The mean with its interval, if it has one."""
        interval = span(self.low, self.high)
        return number(self.mean) + (f" ({interval})" if interval else "")

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return bool(np.isfinite([self.low, self.high]).all())


@dataclass(frozen=True)
class DotChart:
    """Rows of marks on a shared axis.

    Attributes
    ----------
    title, unit : str
        What is shown, and what the axis measures.
    series : dict of str to str
        What each mark stands for, in the order of their shapes.
    axis : Axis
        What all rows share.
    reference : float
        Where a line stands for "nothing"; NaN for none.
    rows : list of (str, list of Mark)
        A label and its marks.
    band : tuple of float, optional
        A range of the axis that is marked, with `band_name` for it.
    """

    title: str
    unit: str
    series: dict[str, str]
    axis: Axis
    reference: float
    rows: list[tuple[str, list[Mark]]]
    band: tuple[float, float] | None = None
    band_name: str = ""

    def shape(self, mark: Mark) -> int:
        """Number of the mark's shape."""
        return list(self.series).index(mark.name)

    def words(self, marks: Sequence[Mark]) -> str:
        """Say one row's marks, for whoever does not see them."""
        return "; ".join(f"{self.series[mark.name]} {mark.text}" for mark in marks)

    def table(self) -> pd.DataFrame:
        """Give the marks as a table, one row a mark."""
        columns = ["backbone", "compared", "mean", "low", "high"]
        rows = [(label, m.name, m.mean, m.low, m.high) for label, marks in self.rows for m in marks]
        return pd.DataFrame(rows, columns=columns)


def dot_chart(
    title: str,
    unit: str,
    series: Mapping[str, str],
    rows: list[tuple[str, list[Mark]]],
    *,
    reference: float = float("nan"),
    ends: tuple[float, ...] = (),
    band: tuple[float, float] | None = None,
    band_name: str = "",
) -> DotChart:
    """Lay marks out on an axis that holds all of them, `reference`, `ends` and `band`.

    Parameters
    ----------
    title, unit, series, rows, reference, band, band_name
        As in `DotChart`; series without a mark are left out.
    ends : tuple of float
        What the axis shall hold at least.
    """
    marks = [mark for _, own in rows for mark in own]
    values = [v for m in marks for v in (m.mean, m.low, m.high)]
    axis = axis_over((*values, reference, *ends, *(band or ())), margin=0.05)
    present = {m.name for m in marks}
    named = {name: words for name, words in series.items() if name in present}
    return DotChart(title, unit, named, axis, reference, rows, band, band_name)


def draw_dots(chart: DotChart) -> Drawing:
    """Draw the marks, each series in a lane of its own, below the label of their row."""
    drawing = Drawing(WIDTH, f"{chart.title}: {chart.unit}", (chart.title,))
    axis = chart.axis.placed(_SIDE, WIDTH - 2 * _SIDE)
    drawing.legend(chart.series.values())
    if chart.band is not None:
        drawing.rect("band", 2, drawing.height - 4, 10, 10)
        drawing.text(20, drawing.height + 5, chart.band_name)
        drawing.height += 19
    tall = _LABEL + _LANE * len(chart.series) + 8
    top, bottom = drawing.height, drawing.height + tall * len(chart.rows)
    if chart.band is not None:
        low, high = map(axis.at, chart.band)
        drawing.rect("band", low, top, high - low, bottom - top)
    drawing.grid(axis, top, bottom)
    if np.isfinite(chart.reference):
        drawing.path("dashed", f"M{axis.at(chart.reference):.2f} {top:g}V{bottom:g}")
    for k, (label, marks) in enumerate(chart.rows):
        _draw_row(drawing, chart, axis, top + tall * k, label, marks)
    drawing.height = bottom
    drawing.below(axis, chart.unit)
    return drawing


def _draw_row(
    drawing: Drawing, chart: DotChart, axis: Axis, y: float, label: str, marks: Sequence[Mark]
) -> None:
    with drawing.group(f"{label}: {chart.words(marks)}"):
        tall = _LABEL + _LANE * len(chart.series)
        drawing.rect("hit", 0, y, drawing.width, tall)
        drawing.text(_SIDE, y + 13, label, "ink", size=TEXT)
        for mark in marks:
            lane = chart.shape(mark)
            at = y + _LABEL + _LANE * (lane + 0.5)
            if mark.has_interval:
                low, high = axis.at(mark.low), axis.at(mark.high)
                drawing.rect(f"s{lane % 7}", low, at - 0.9, high - low, 1.8)
            if np.isfinite(mark.mean):
                drawing.mark(lane, axis.at(mark.mean), at)


def dot_chart_table(charts: Sequence[DotChart]) -> pd.DataFrame:
    """Give the marks of every chart."""
    parts = [chart.table().assign(chart=chart.title) for chart in charts]
    return pd.concat(parts, ignore_index=True)
