"""The figure of example images: photographs with every network's map beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from PIL import Image

from aisthesis.maps.colour import DIVERGING_ANCHORS
from aisthesis.report.charts.drawing import SMALL, Drawing
from aisthesis.report.charts.letters import shortened
from aisthesis.report.pictures.overlays import OPACITY

__all__ = ["ExampleRow", "draw_colour_bar", "draw_examples"]

_COLUMN, _GAP, _CAPTION = 140.0, 6.0, 18.0  # units


@dataclass(frozen=True)
class ExampleRow:
    """One image of an example page: the photograph, then one overlay or None per backbone.

    `scales` says for each overlay what value has the strongest colour.
    """

    caption: str
    photograph: Image.Image | None
    overlays: Sequence[Image.Image | None]
    scales: Sequence[str]


def draw_examples(
    rows: Sequence[ExampleRow], labels: Sequence[str], kind: str, unit: str, meaning: str
) -> Drawing:
    """Draw a page of photographs, every backbone's map beside them.

    The values themselves are shown, zero is white, and above each map stands its scale.
    """
    said = [
        f"{kind} map, {unit}: zero is white, full colour is the value above each map.", meaning
    ]  # fmt: skip
    step = _COLUMN + _GAP
    drawing = Drawing((1 + len(labels)) * step - _GAP, f"{kind} maps of example images")
    for k, label in enumerate(labels, 1):
        drawing.text(step * k, 12, shortened(label, _COLUMN, SMALL), "ink", size=SMALL)
    drawing.height = 18
    for row in rows:
        tall = _COLUMN * _aspect(row)
        for k, words in enumerate([row.caption, *row.scales]):
            fitting = shortened(words, _COLUMN, SMALL - 1)
            drawing.text(step * k, drawing.height + 12, fitting, "" if k else "ink", size=SMALL - 1)
        for k, picture in enumerate([row.photograph, *row.overlays]):
            x, y = step * k, drawing.height + _CAPTION
            if picture is not None:
                drawing.picture(picture, x, y, _COLUMN, tall)
                continue
            for n, words in enumerate(("no map,", "or a flat one")):
                place = x + _COLUMN / 2, y + tall / 2 + 14 * n
                drawing.text(*place, words, size=SMALL, anchor="middle")
        drawing.height += _CAPTION + tall + _GAP
    draw_colour_bar(drawing, "full colour", said)
    return drawing


def draw_colour_bar(drawing: Drawing, full: str, said: Sequence[str]) -> None:
    """Draw the overlay's colours as they look on white, and what they mean, below a drawing."""
    width, n = min(360.0, 0.8 * drawing.width), 61
    left, y = (drawing.width - width) / 2, drawing.height + 8
    anchors = np.asarray(DIVERGING_ANCHORS, dtype=float)
    for k, position in enumerate(np.linspace(-1.0, 1.0, n)):
        own = [np.interp(position, np.linspace(-1, 1, len(anchors)), c) for c in anchors.T]
        alpha = OPACITY * abs(position)
        colour = "".join(f"{round(alpha * c + (1 - alpha) * 255):02x}" for c in own)
        drawing.add("rect", fill=f"#{colour}", x=left + k * width / n, y=y, width=width / n + 0.3,
                    height=10.0)  # fmt: skip
    for share, words in ((0.0, f"−{full}"), (0.5, "0"), (1.0, f"+{full}")):
        drawing.text(left + share * width, y + 23, words, size=SMALL, anchor="middle")
    lines = [line for one in said for line in wrap(one, int(drawing.width / 5.9))]
    for k, line in enumerate(lines):
        place = drawing.width / 2, y + 42 + 14 * k
        drawing.text(*place, line, size=SMALL, anchor="middle")
    drawing.height = y + 48 + 14 * len(lines)


def _aspect(row: ExampleRow) -> float:
    pictures = [p for p in (row.photograph, *row.overlays) if p is not None]
    return pictures[0].height / pictures[0].width if pictures else 1.0
