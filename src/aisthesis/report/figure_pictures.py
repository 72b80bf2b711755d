"""Figures of single images: predictions as dots, and maps over photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from PIL import Image

from aisthesis.maps import DIVERGING_ANCHORS
from aisthesis.report.figures import INK, POINT, QUIET, grid_of, quiet_frame
from aisthesis.report.overlays import OPACITY
from aisthesis.report.scatter import Axis, Panel

__all__ = ["ExampleRow", "draw_examples", "draw_predictions", "faded_colours", "prediction_table"]


@dataclass(frozen=True)
class ExampleRow:
    """One image of an example page: the photograph, then one overlay or None per backbone.

    `scales` says for each overlay what value has the strongest colour.
    """

    caption: str
    photograph: Image.Image | None
    overlays: Sequence[Image.Image | None]
    scales: Sequence[str]


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


COLUMN, GAP, CAPTION, TOP, BOTTOM, LINE = 1.4, 0.06, 0.22, 0.3, 0.55, 0.13  # inches


def draw_examples(
    rows: Sequence[ExampleRow], labels: Sequence[str], kind: str, unit: str, meaning: str
) -> Figure:
    """Draw a page of photographs, every backbone's map beside them.

    The values themselves are shown, zero is white, and above each map stands its scale.

    All pictures are placed in one set of axes measured in inches: a set for each would take
    Matplotlib many seconds to lay out.
    """
    said = [
        f"{kind} map, {unit}: zero is white, full colour is the value above each map.", meaning
    ]  # fmt: skip
    columns = 1 + len(labels)
    heights = [COLUMN * _aspect(row) for row in rows]
    width = columns * (COLUMN + GAP)
    lines = [line for one in said for line in wrap(one, int(15 * width))]
    bottom = BOTTOM + LINE * len(lines)
    height = TOP + sum(heights) + (CAPTION + GAP) * len(rows) + bottom
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    lefts = [k * (COLUMN + GAP) for k in range(columns)]
    for left, label in zip(lefts[1:], labels, strict=True):
        axes.text(left, TOP - 0.05, label, fontsize=7.5, parse_math=False)
    top = TOP
    for row, tall in zip(rows, heights, strict=True):
        for left, words in zip(lefts, [row.caption, *row.scales], strict=True):
            ink = INK if left == 0 else QUIET
            axes.text(left, top + CAPTION - 0.06, words, fontsize=6.5, color=ink, parse_math=False)
        top += CAPTION
        for left, picture in zip(lefts, [row.photograph, *row.overlays], strict=True):
            _place(axes, picture, left, top, tall)
        top += tall + GAP
    _colour_bar(figure, width, height, bottom, lines)
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


def _colour_bar(
    figure: Figure, width: float, height: float, bottom: float, lines: Sequence[str]
) -> None:
    length = min(4.0, 0.6 * width)
    place = ((width - length) / 2 / width, (bottom - 0.25) / height, length / width, 0.1 / height)
    mappable = ScalarMappable(Normalize(-1, 1), faded_colours())
    bar = figure.colorbar(mappable, cax=figure.add_axes(place), orientation="horizontal")
    bar.set_ticks([-1, 0, 1], labels=["−full colour", "0", "+full colour"])
    bar.set_label("\n".join(lines), fontsize=7)
    bar.ax.tick_params(labelsize=7)


def faded_colours() -> LinearSegmentedColormap:
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
