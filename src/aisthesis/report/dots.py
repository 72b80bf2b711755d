"""Means with their intervals as marks on one axis, a row for each backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from aisthesis.report.wording import number, span

__all__ = ["DotChart", "Mark", "dot_chart", "tick_text"]


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
    low, high : float
        Ends of the axis.
    reference : float
        Where a line stands for "nothing"; NaN for none.
    rows : list of (str, list of Mark)
        A label and its marks.
    """

    title: str
    unit: str
    series: dict[str, str]
    low: float
    high: float
    ticks: list[float]
    reference: float
    rows: list[tuple[str, list[Mark]]]

    def across(self, value: float) -> float:
        """Place of a value along the axis, in percent, kept on it."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

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
    ends: tuple[float, float] | None = None,
) -> DotChart:
    """Lay marks out on an axis that holds all of them, `reference` and `ends`.

    Parameters
    ----------
    title, unit, series, rows, reference
        As in `DotChart`; series without a mark are left out.
    ends : tuple of float, optional
        What the axis shall span at least.
    """
    marks = [mark for _, own in rows for mark in own]
    values = [v for m in marks for v in (m.mean, m.low, m.high)]
    known = [v for v in (*values, reference, *(ends or ())) if np.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    ticks = [
        float(t)
        for t in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
        if low <= t <= high
    ]
    present = {m.name for m in marks}
    named = {name: words for name, words in series.items() if name in present}
    return DotChart(title, unit, named, low, high, ticks, reference, rows)


def tick_text(value: float) -> str:
    """Label a tick with as many digits as it needs."""
    digits = next((d for d in (0, 1, 2) if abs(round(value, d) - value) < 1e-9), 3)
    return number(value, digits)
