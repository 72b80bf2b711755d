"""Charts of an alignment report: agreement beside the ceiling, and what retention does."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.charts.axis import Axis, axis_over
from aisthesis.report.charts.dots import DotChart, Mark, dot_chart
from aisthesis.report.charts.drawing import SMALL, WIDTH, Drawing

__all__ = ["agreement_chart", "draw_curve"]

#: Columns of `alignment.csv` with what their marks stand for.
SERIES = {
    "agreement_subjects": "all channels",
    "agreement_retained_subjects": "retained channels (chosen on these images)",
}
_TALL, _LEFT = 230.0, 44.0  # units


def agreement_chart(table: pd.DataFrame) -> DotChart:
    """Lay out the mean agreement with single subjects, all channels and retained ones."""
    rows = [
        (
            str(row["backbone"]),
            [Mark(name, float(row[name])) for name in SERIES if np.isfinite(row[name])],
        )
        for row in table.to_dict("records")
    ]
    first = table.iloc[0]
    bounds = float(first["ceiling_lower"]), float(first["ceiling_upper"])
    band = bounds if np.isfinite(bounds).all() else None
    unit = "mean agreement with single subjects"
    return dot_chart("Agreement with people", unit, SERIES, rows, ends=(0.0,), band=band,
                     band_name="noise ceiling")  # fmt: skip


def draw_curve(curve: pd.DataFrame, row: pd.Series, label: str) -> Drawing:
    """Draw R² on training and held-out images by the number of retained channels."""
    n = curve["n_retained"].to_numpy(dtype=float)
    train, test = (curve[f"r2_{part}"].to_numpy(dtype=float) for part in ("train", "test"))
    sd = np.nan_to_num(curve["r2_test_sd"].to_numpy(dtype=float))
    error = sd / np.sqrt(max(float(row["n_folds"]), 1.0))
    drawing = Drawing(
        WIDTH,
        f"{label}: R squared on training and held-out images by the number of retained channels",
        (f"{label}: R² by the number of retained channels",),
    )
    _draw_key(drawing)
    top = drawing.height
    x = axis_over([0.0, float(n.max())]).placed(_LEFT, WIDTH - _LEFT - 12)
    y = axis_over([0.0, *train, *(test - error), *(test + error)], margin=0.03)
    y = y.placed(top + _TALL, -_TALL)
    low, high = x.at(float(row["n_retained_min"])), x.at(float(row["n_retained_max"]))
    drawing.rect("band", low, top, high - low, _TALL)
    for tick in y.ticks:
        drawing.path("line", f"M{_LEFT:g} {y.at(tick):.2f}H{WIDTH - 12:g}")
        drawing.text(_LEFT - 6, y.at(tick) + 4, f"{tick:g}".replace("-", "−"), size=SMALL,
                     anchor="end")  # fmt: skip
    full, chosen = y.at(float(row["r2_full"])), x.at(float(row["n_retained_mean"]))
    drawing.path("dashed", f"M{_LEFT:g} {full:.2f}H{WIDTH - 12:g}")
    drawing.path("strong", f"M{chosen:.2f} {top:g}v{_TALL:g}")
    upper, lower = _line(x, y, n, test + error), _line(x, y, n[::-1], (test - error)[::-1])
    drawing.path("error", f"{upper}L{lower[1:]}Z" if upper and lower else "")
    drawing.path("train", _line(x, y, n, train))
    drawing.path("test", _line(x, y, n, test))
    drawing.height = top + _TALL
    drawing.below(x, "retained channels")
    return drawing


def _draw_key(drawing: Drawing) -> None:
    for kind, said in (
        ("train", "R², training images"),
        ("test", "R², held-out images, mean ± SE of the folds"),
        ("dashed", "R², held-out images, all channels"),
        ("strong", "number retained, mean and range of the folds"),
    ):
        y = drawing.height + 11
        drawing.path(kind, f"M0 {y:g}h24" if kind != "strong" else f"M12 {y - 6:g}v12")
        drawing.text(32, y + 4, said)
        drawing.height += 19
    drawing.height += 8


def _line(x: Axis, y: Axis, across: NDArray[np.float64], up: NDArray[np.float64]) -> str:
    points = [
        f"{x.at(float(a)):.2f} {y.at(float(b)):.2f}"
        for a, b in zip(across, up, strict=True)
        if np.isfinite(b)
    ]
    return "M" + "L".join(points) if points else ""
