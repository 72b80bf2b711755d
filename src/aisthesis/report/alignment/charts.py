"""Charts of an alignment report, laid out once for the page and for the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from aisthesis.report.wording import number

__all__ = ["AgreementChart", "CurveChart", "agreement_chart", "curve_chart", "ticks_between"]

WIDTH, HEIGHT, ROW = 520.0, 230.0, 44.0


@dataclass(frozen=True)
class Scale:
    """From values to places of an axis, in SVG units."""

    low: float
    high: float
    length: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Place from the axis' low end."""
        return round(self.length * (value - self.low) / (self.high - self.low), 2)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Places and labels of the ticks."""
        whole = all(float(tick).is_integer() for tick in self.ticks)
        digits = 0 if whole and max(map(abs, self.ticks)) >= 3 else 2
        fewer = all(abs(10 * tick - round(10 * tick)) < 1e-9 for tick in self.ticks)
        digits = min(digits, 1) if fewer and digits else digits
        return [(self.place(tick), number(tick, digits)) for tick in self.ticks]


@dataclass(frozen=True)
class AgreementChart:
    """Agreement with single subjects, a row a backbone, beside what the judgments allow."""

    scale: Scale
    height: float
    ceiling: tuple[float, float] | None  # places
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class CurveChart:
    """Held-out and training R² by the number of retained channels."""

    x: Scale
    y: Scale
    train: str
    test: str
    band: str
    full_test: float  # place
    chosen: float  # place of the mean number retained
    chosen_span: tuple[float, float]


def ticks_between(low: float, high: float, n: int = 5) -> tuple[float, ...]:
    """Round numbers from at or below `low` to at or above `high`."""
    return tuple(float(t) for t in MaxNLocator(n, steps=[1, 2, 5, 10]).tick_values(low, high))


def _scale(values: Sequence[float], length: float, *, zero: bool = True) -> Scale:
    finite = [v for v in values if np.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    ticks = ticks_between(low, high if high > low else low + 1.0)
    return Scale(ticks[0], ticks[-1], length, ticks)


def agreement_chart(table: pd.DataFrame) -> AgreementChart:
    """Lay out the mean agreement with single subjects, all channels and retained ones."""
    columns = ["agreement_subjects", "agreement_retained_subjects", "ceiling_lower"]
    values = [float(v) for v in table[[*columns, "ceiling_upper"]].to_numpy().ravel()]
    scale = _scale(values, WIDTH)
    first = table.iloc[0]
    bounds = (float(first["ceiling_lower"]), float(first["ceiling_upper"]))
    ceiling = tuple(map(scale.place, bounds)) if np.isfinite(bounds).all() else None
    rows = []
    for k, (_, row) in enumerate(table.iterrows()):
        full, kept = float(row[columns[0]]), float(row[columns[1]])
        rows.append(
            {
                "label": row["backbone"],
                "y": 26 + ROW * k,
                "full": scale.place(full) if np.isfinite(full) else None,
                "kept": scale.place(kept) if np.isfinite(kept) else None,
                "title": f"all channels {number(full)}, retained {number(kept)}",
            }
        )
    return AgreementChart(scale, 26 + ROW * len(rows), ceiling, rows)  # type: ignore[arg-type]


def curve_chart(curve: pd.DataFrame, row: pd.Series) -> CurveChart:
    """Lay out R² on training and held-out images by the number of retained channels."""
    n = curve["n_retained"].to_numpy(dtype=float)
    train, test = (curve[f"r2_{part}"].to_numpy(dtype=float) for part in ("train", "test"))
    sd = np.nan_to_num(curve["r2_test_sd"].to_numpy(dtype=float))
    error = sd / np.sqrt(max(float(row["n_folds"]), 1.0))
    x = _scale([0.0, float(n.max())], WIDTH)
    x = Scale(0.0, float(n.max()), WIDTH, tuple(t for t in x.ticks if t <= n.max()))
    y = _scale([*train, *(test - error), *(test + error)], HEIGHT)
    upper, lower = _path(x, y, n, test + error), _path(x, y, n[::-1], (test - error)[::-1])
    return CurveChart(
        x=x,
        y=y,
        train=_path(x, y, n, train),
        test=_path(x, y, n, test),
        band=f"{upper}L{lower[1:]}Z" if upper and lower else "",
        full_test=HEIGHT - y.place(float(row["r2_full"])),
        chosen=x.place(float(row["n_retained_mean"])),
        chosen_span=(x.place(float(row["n_retained_min"])), x.place(float(row["n_retained_max"]))),
    )


def _path(x: Scale, y: Scale, across: NDArray[np.float64], up: NDArray[np.float64]) -> str:
    points = [
        f"{x.place(float(a))} {round(HEIGHT - y.place(float(b)), 2)}"
        for a, b in zip(across, up, strict=True)
        if np.isfinite(b)
    ]
    return "M" + "L".join(points) if points else ""
