"""What all figures share: their look, and how they are written with the data behind them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aisthesis.engine.files import told_plainly, write_csv
from aisthesis.whole import whole_file

__all__ = ["GRID", "INK", "POINT", "QUIET", "grid_of", "quiet_frame", "save_figure"]

DPI = 300
INK, QUIET, POINT, GRID = "#1c2024", "#8a9099", "#2166ac", "#e4e7ea"
#: SVG: letters as outlines, so that no font is missing anywhere; the same bytes in every run.
_STYLE: Any = {"svg.fonttype": "path", "svg.hashsalt": "aisthesis"}
_METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": "aisthesis"}}

#: Slightly larger PNG files in a fraction of the time.
_ENCODER: dict[str, Any] = {"png": {"pil_kwargs": {"compress_level": 3}}, "svg": {}}


def save_figure(figure: Figure, data: pd.DataFrame, path: Path) -> None:
    """Write a figure as PNG and SVG, and the data behind it as CSV, each whole or not at all.

    Parameters
    ----------
    figure : Figure
        The figure.
    data : pandas.DataFrame
        Every number that it shows.
    path : Path
        Where, without an ending.
    """
    with told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if figure.get_layout_engine() is not None:  # once, not for every format again
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    for kind, metadata in _METADATA.items():
        buffer = io.BytesIO()
        with mpl.rc_context(_STYLE):
            figure.savefig(
                buffer,
                format=kind,
                dpi=DPI,
                facecolor="white",
                metadata=metadata,
                **_ENCODER[kind],
            )
        _write(path.with_name(f"{path.name}.{kind}"), buffer.getvalue())
    write_csv(path.with_name(f"{path.name}.csv"), data)


def _write(path: Path, content: bytes) -> None:
    with told_plainly(path), whole_file(path) as partial:
        partial.write_bytes(content)


def grid_of(n: int, most_columns: int = 3) -> tuple[int, int]:
    """Rows and columns for `n` panels."""
    columns = min(n, most_columns)
    return -(-n // columns), columns


def quiet_frame(axes: Axes) -> None:
    """Leave only the frame that carries ticks, in a quiet colour."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=8, color=QUIET)
