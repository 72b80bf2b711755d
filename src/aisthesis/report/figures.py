"""The report's figures as PNG files for papers and slides."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from aisthesis.engine.files import told_plainly
from aisthesis.maps import DIVERGING_ANCHORS
from aisthesis.report.matrices import Matrix, cell_colour, ink_on
from aisthesis.report.overlays import LIMIT_SD, OPACITY
from aisthesis.report.scatter import Axis, Panel
from aisthesis.report.wording import number_or_dash

__all__ = [
    "ExampleRow",
    "draw_examples",
    "draw_matrices",
    "draw_predictions",
    "quiet_frame",
    "save_figure",
]

DPI = 200
INK, QUIET, POINT = "#1c2024", "#8a9099", "#2166ac"


@dataclass(frozen=True)
class ExampleRow:
    """One image of an example page: the photograph, then one overlay or None per backbone."""

    caption: str
    photograph: Image.Image | None
    overlays: Sequence[Image.Image | None]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all, and return its path."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight")
    partial = path.with_name(f".{path.name}.partial")
    with told_plainly(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(buffer.getvalue())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def _grid(n: int, most_columns: int = 3) -> tuple[int, int]:
    columns = min(n, most_columns)
    return -(-n // columns), columns


def quiet_frame(axes: Axes) -> None:
    """Leave only the frame that carries ticks, in a quiet colour."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=8, color=QUIET)


def draw_predictions(axis: Axis, panels: Sequence[Panel]) -> Figure:
    """Draw predicted against human rating, one panel per backbone on the same axes."""
    rows, columns = _grid(len(panels))
    figure = Figure(figsize=(2.9 * columns, 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        axes.plot([axis.low, axis.high], [axis.low, axis.high], color=QUIET, lw=0.8, zorder=1)
        human = [p.human for p in panel.points]
        predicted = [p.predicted for p in panel.points]
        axes.scatter(human, predicted, s=12, color=POINT, alpha=0.6, linewidths=0, zorder=2)
        axes.set(xlim=(axis.low, axis.high), ylim=(axis.low, axis.high), aspect="equal")
        axes.set_xticks(axis.ticks)
        axes.set_yticks(axis.ticks)
        title = f"{panel.label}\n{panel.srcc}"
        axes.set_title(title, fontsize=8, loc="left", parse_math=False)
        axes.set_xlabel("human rating", fontsize=8)
        axes.set_ylabel("predicted rating", fontsize=8)
        quiet_frame(axes)
    return figure


def _colour_map(matrix: Matrix) -> LinearSegmentedColormap:
    scale = matrix.scale
    steps = np.linspace(scale.low, scale.high, 65)
    colours = [tuple(c / 255 for c in cell_colour(float(v), scale)) for v in steps]
    return LinearSegmentedColormap.from_list("cells", colours)


def _draw_matrix(figure: Figure, axes: Axes, matrix: Matrix) -> None:
    colours, norm = _colour_map(matrix), Normalize(matrix.scale.low, matrix.scale.high)
    axes.imshow(np.ma.masked_invalid(matrix.values), cmap=colours, norm=norm)
    for (i, j), value in np.ndenumerate(matrix.values):
        if i != j:
            ink = ink_on(cell_colour(value, matrix.scale)) if np.isfinite(value) else INK
            axes.text(j, i, number_or_dash(value), ha="center", va="center", color=ink, fontsize=8)
    places = range(len(matrix.labels))
    axes.set_xticks(places, matrix.labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, matrix.labels)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        label.set_parse_math(False)
    axes.tick_params(length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title = f"{matrix.words.title}\n({matrix.words.direction})"
    axes.set_title(title, fontsize=9, loc="left")
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, shrink=0.8, aspect=18)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, color=QUIET)


def draw_matrices(matrices: Sequence[Matrix]) -> Figure:
    """Draw the pairwise matrices of one kind of map, each with its numbers and colour bar."""
    rows, columns = _grid(len(matrices), 2)
    side = 1.6 + 0.5 * len(matrices[0].labels)
    figure = Figure(figsize=(side * 1.25 * columns, side * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(matrices) :]:
        axes.set_axis_off()
    for axes, matrix in zip(grid.flat, matrices, strict=False):
        _draw_matrix(figure, axes, matrix)
    return figure


def _faded_colours() -> LinearSegmentedColormap:
    """The overlay's colours as they look on white."""
    positions = np.linspace(-1.0, 1.0, len(DIVERGING_ANCHORS))
    colours = []
    for position in np.linspace(-1.0, 1.0, 101):
        alpha = OPACITY * abs(position)
        channels = [np.interp(position, positions, c) for c in np.asarray(DIVERGING_ANCHORS).T]
        colours.append(tuple((alpha * c + (1 - alpha) * 255) / 255 for c in channels))
    return LinearSegmentedColormap.from_list("overlay", colours)


def draw_examples(rows: Sequence[ExampleRow], labels: Sequence[str], kind: str) -> Figure:
    """Draw a page of photographs, every backbone's map beside them, on one colour scale."""
    columns = 1 + len(labels)
    heights = [_aspect(row) for row in rows]
    width = 1.45
    size = (width * columns, width * sum(heights) + 0.22 * len(rows) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for k, row in enumerate(rows):
        pictures = [row.photograph, *row.overlays]
        for axes, picture in zip(grid[k], pictures, strict=True):
            axes.set_axis_off()
            if picture is None:
                axes.text(
                    0.5,
                    0.5,
                    "no map,\nor a flat one",
                    ha="center",
                    va="center",
                    color=QUIET,
                    fontsize=7,
                )
            else:
                axes.imshow(np.asarray(picture), interpolation="antialiased")
        grid[k, 0].set_title(row.caption, fontsize=6.5, loc="left", color=INK, parse_math=False)
    for axes, label in zip(grid[0, 1:], labels, strict=True):
        axes.set_title(label, fontsize=8, parse_math=False)
    mappable = ScalarMappable(Normalize(-LIMIT_SD, LIMIT_SD), _faded_colours())
    bar = figure.colorbar(
        mappable, ax=grid, location="bottom", fraction=0.03, aspect=50, shrink=0.6, pad=0.01
    )
    bar.set_label(f"{kind} map, z-score over the image (0 is the map’s mean)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _aspect(row: ExampleRow) -> float:
    pictures = [p for p in (row.photograph, *row.overlays) if p is not None]
    return pictures[0].height / pictures[0].width if pictures else 1.0
