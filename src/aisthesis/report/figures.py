"""What all figures share: their look, and how they are written with the data behind them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from aisthesis.engine.files import told_plainly, write_csv
from aisthesis.report.letters import fitted_letters
from aisthesis.whole import whole_file

__all__ = ["GRID", "INK", "POINT", "QUIET", "draw_figure", "grid_of", "quiet_frame", "save_figure"]

DPI = 300
INK, QUIET, POINT, GRID = "#1c2024", "#8a9099", "#2166ac", "#e4e7ea"
#: SVG: letters as outlines, so that no font is missing anywhere; the same bytes in every run;
#: pictures as they are, not at 300 dpi.
_STYLE: Any = {
    "svg.fonttype": "path", "svg.hashsalt": "aisthesis", "image.composite_image": False
}  # fmt: skip


def draw_figure(
    draw: Callable[[], Figure], table: Callable[[], pd.DataFrame], path: Path
) -> list[str]:
    """Make a figure and its table and save them; see `save_figure`."""
    return save_figure(draw(), table(), path)


def save_figure(figure: Figure, data: pd.DataFrame, path: Path) -> list[str]:
    """Write a figure as PNG and SVG, and the data behind it as CSV, each whole or not at all.

    Parameters
    ----------
    figure : Figure
        The figure.
    data : pandas.DataFrame
        Every number that it shows.
    path : Path
        Where, without an ending.

    Returns
    -------
    list of str
        Lines with letters that no installed font has; see `fitted_letters`.
    """
    with told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE), fitted_letters(figure) as lines:
        _write(path.with_name(f"{path.name}.png"), _png(figure))
        _write(path.with_name(f"{path.name}.svg"), _svg(figure))
    write_csv(path.with_name(f"{path.name}.csv"), data)
    return lines


def _png(figure: Figure) -> bytes:
    # Not savefig, which would draw everything once more before each format.
    figure.set_dpi(DPI)
    figure.set_facecolor("white")
    canvas = FigureCanvasAgg(figure)
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG", dpi=(DPI, DPI), compress_level=3)
    return buffer.getvalue()


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": "aisthesis"})
    return buffer.getvalue()


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
