"""Matrices of who agrees with whom, drawn, and the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from aisthesis.report.charts.drawing import SMALL, TEXT, Drawing
from aisthesis.report.charts.letters import shortened, text_width
from aisthesis.report.charts.matrices import Cell, Matrix, cell_colour, mixed
from aisthesis.report.words.wording import KIND_NAMES, capitalised, number

__all__ = ["draw_matrix", "matrix_table"]

_CELL, _GAP, _NAMES, _HEADS = 44.0, 2.0, 150.0, 150.0  # units
_STEPS = 24  # of the colour scale


def draw_matrix(matrix: Matrix) -> Drawing:
    """Draw a matrix: cells that say all that is known of their pair, and the colour scale."""
    name = f"{matrix.words.title}, {KIND_NAMES.get(matrix.kind, matrix.kind)} maps"
    view = "as measured" if matrix.view == "raw" else "freed of seed noise"
    notes = [f"{view} ({matrix.words.direction})"]
    if matrix.own_words:
        notes.append(f"diagonal: {matrix.own_words}")
    if matrix.doubtful:
        notes.append("° not shown to be better than chance (p ≥ 0.05, corrected)")
    widest = max((text_width(label, TEXT) for label in matrix.labels), default=0.0)
    left, top = min(widest, _NAMES) + 8, min(widest, _HEADS) + 8
    n = len(matrix.labels)
    drawing = Drawing(max(left + _CELL * n, 260.0), name, (capitalised(name), *notes))
    for k, label in enumerate(matrix.labels):
        middle = _CELL * (k + 0.5) + 4
        said = shortened(label, _HEADS, TEXT)
        drawing.text(left + middle, top - 6, said, turned=-90.0)
        said = shortened(label, _NAMES, TEXT)
        drawing.text(left - 8, top + middle, said, anchor="end")
    for i, row in enumerate(matrix.rows):
        with drawing.group("", data_row=i):
            for j, cell in enumerate(row):
                _draw_cell(drawing, cell, left + _CELL * j, top + _CELL * i)
    drawing.height = top + _CELL * n + 6
    _draw_scale(drawing, matrix, left)
    return drawing


def _draw_cell(drawing: Drawing, cell: Cell | None, x: float, y: float) -> None:
    side = _CELL - _GAP
    if cell is None:
        drawing.rect("raised", x, y, side, side)
        return
    kind = "self cell" if cell.own else "cell"
    with drawing.group(cell.line, data_line=cell.line, class_=kind):
        drawing.rect(cell.ground or "raised", x, y, side, side)
        said = cell.text + ("°" if cell.doubtful else "")
        ink = cell.ink or "quiet"
        drawing.text(x + side / 2, y + side / 2 + 4, said, ink, size=SMALL + 1, anchor="middle")


def _draw_scale(drawing: Drawing, matrix: Matrix, left: float) -> None:
    """Draw which colour stands for which value."""
    scale, y = matrix.scale, drawing.height
    width = min(drawing.width - left, 180.0) / _STEPS
    for k in range(_STEPS):
        value = scale.low + (scale.high - scale.low) * k / (_STEPS - 1)
        colour = mixed(cell_colour(value, scale), cell_colour(value, scale, dark=True))
        drawing.rect(colour, left + k * width, y, width + 0.3, 9)
    ends = ((0.0, scale.low, "start"), (_STEPS * width, scale.high, "end"))
    for x, value, anchor in ends:
        drawing.text(left + x, y + 22, number(value), size=SMALL, anchor=anchor)
    if scale.signed:
        drawing.text(left + _STEPS * width / 2, y + 22, "0", size=SMALL, anchor="middle")
    drawing.height = y + 28


def matrix_table(views: Sequence[Matrix]) -> pd.DataFrame:
    """Give the cells of every view, the lower triangle and the diagonal."""
    rows = [
        {"map": m.kind, "metric": m.metric, "view": m.view, "backbone_a": a, "backbone_b": b,
         "value": m.own[i] if i == j else m.values[i, j],
         "low": m.low[i, j], "high": m.high[i, j]}
        for m in views
        for i, a in enumerate(m.labels)
        for j, b in enumerate(m.labels[: i + 1])
    ]  # fmt: skip
    return pd.DataFrame(rows)
