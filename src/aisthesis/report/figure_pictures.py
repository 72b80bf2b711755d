"""Figures of single images: predictions as dots, and maps over photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from aisthesis.maps import DIVERGING_ANCHORS
from aisthesis.report.figures import INK, POINT, QUIET, grid_of, quiet_frame
from aisthesis.report.overlays import LIMIT_SD, OPACITY
from aisthesis.report.scatter import Axis, Panel

__all__ = ["ExampleRow", "draw_examples", "draw_predictions", "prediction_table"]


@dataclass(frozen=True)
class ExampleRow:
    """One image of an example page: the photograph, then one overlay or None per backbone."""

    caption: str
    photograph: Image.Image | None
    overlays: Sequence[Image.Image | None]


def draw_predictions(axis: Axis, panels: Sequence[Panel]) -> Figure:
    """Draw predicted against human rating, one panel per backbone on the same axes."""
    rows, columns = grid_of(len(panels))
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
        axes.set_xlabel("human rating (rating units)", fontsize=7.5)
        axes.set_ylabel("predicted rating (rating units)", fontsize=8)
        quiet_frame(axes)
    return figure


def prediction_table(panels: Sequence[Panel]) -> pd.DataFrame:
    """Give the dots of every panel."""
    return pd.DataFrame([
        {"image": point.name, "backbone": panel.label, "rating": point.human,
         "prediction": point.predicted}
        for panel in panels
        for point in panel.points
    ])  # fmt: skip


COLUMN, GAP, CAPTION, TOP, BOTTOM = 1.4, 0.06, 0.22, 0.3, 0.75  # inches


def draw_examples(rows: Sequence[ExampleRow], labels: Sequence[str], kind: str) -> Figure:
    """Draw a page of photographs, every backbone's map beside them, on one colour scale.

    All pictures are placed in one set of axes measured in inches: a set for each would take
    Matplotlib many seconds to lay out.
    """
    columns = 1 + len(labels)
    heights = [COLUMN * _aspect(row) for row in rows]
    width = columns * (COLUMN + GAP)
    height = TOP + sum(heights) + (CAPTION + GAP) * len(rows) + BOTTOM
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    lefts = [k * (COLUMN + GAP) for k in range(columns)]
    for left, label in zip(lefts[1:], labels, strict=True):
        axes.text(left, TOP - 0.05, label, fontsize=7.5, parse_math=False)
    top = TOP
    for row, tall in zip(rows, heights, strict=True):
        axes.text(0, top + CAPTION - 0.06, row.caption, fontsize=7, color=INK, parse_math=False)
        top += CAPTION
        for left, picture in zip(lefts, [row.photograph, *row.overlays], strict=True):
            _place(axes, picture, left, top, tall)
        top += tall + GAP
    _colour_bar(figure, width, height, f"{kind} map, z-score over the image (0 is the map’s mean)")
    return figure


def _place(axes: Axes, picture: Image.Image | None, left: float, top: float, tall: float) -> None:
    if picture is None:
        middle = (left + COLUMN / 2, top + tall / 2)
        axes.text(
            *middle, "no map,\nor a flat one", ha="center", va="center", color=QUIET, fontsize=7
        )
        return
    box = (left, left + COLUMN, top + tall, top)
    axes.imshow(np.asarray(picture), extent=box, aspect="auto", interpolation="none")


def _colour_bar(figure: Figure, width: float, height: float, label: str) -> None:
    length = min(4.0, 0.6 * width)
    place = ((width - length) / 2 / width, 0.45 / height, length / width, 0.1 / height)
    mappable = ScalarMappable(Normalize(-LIMIT_SD, LIMIT_SD), _faded_colours())
    bar = figure.colorbar(mappable, cax=figure.add_axes(place), orientation="horizontal")
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _faded_colours() -> LinearSegmentedColormap:
    """The overlay's colours as they look on white."""
    positions = np.linspace(-1.0, 1.0, len(DIVERGING_ANCHORS))
    colours = []
    for position in np.linspace(-1.0, 1.0, 101):
        alpha = OPACITY * abs(position)
        channels = [np.interp(position, positions, c) for c in np.asarray(DIVERGING_ANCHORS).T]
        colours.append(tuple((alpha * c + (1 - alpha) * 255) / 255 for c in channels))
    return LinearSegmentedColormap.from_list("overlay", colours)


def _aspect(row: ExampleRow) -> float:
    pictures = [p for p in (row.photograph, *row.overlays) if p is not None]
    return pictures[0].height / pictures[0].width if pictures else 1.0
