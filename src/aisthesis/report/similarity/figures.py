"""Matrices of dissimilarity and images in the plane, drawn, and the numbers in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from aisthesis.report.charts.drawing import SMALL, Drawing
from aisthesis.report.similarity.pictures import MATRIX_COLOURS, PlanePanel, percentiles

__all__ = ["draw_dissimilarities", "draw_plane", "matrix_table", "plane_table"]

_SIDE, _LEAST_PX, _STEPS = 250.0, 480, 40  # units of a panel; pixels of a matrix; of the scale


def draw_dissimilarities(
    name: str, dissimilarity: NDArray[np.float64], order: NDArray[np.intp]
) -> Drawing:
    """Draw a matrix, a pixel a pair, coloured by percentile; white where there is none."""
    shown = percentiles(dissimilarity)[np.ix_(order, order)]
    colours = (colormaps[MATRIX_COLOURS](np.nan_to_num(shown))[..., :3] * 255).astype(np.uint8)
    colours[np.isnan(shown)] = 255
    times = max(1, _LEAST_PX // len(shown))  # larger, as programs blur what they enlarge
    drawing = Drawing(_SIDE, f"Dissimilarities by {name}", (name,))
    pixels = Image.fromarray(colours.repeat(times, 0).repeat(times, 1))
    drawing.picture(pixels, 0.0, 0.0, _SIDE, _SIDE)
    for k, colour in enumerate(colormaps[MATRIX_COLOURS](np.linspace(0, 1, _STEPS))):
        fill = "#" + "".join(f"{round(255 * c):02x}" for c in colour[:3])
        width = _SIDE / _STEPS
        drawing.add("rect", fill=fill, x=k * width, y=_SIDE + 10, width=width + 0.3, height=8.0)
    ends = (("most alike", 0.0, "start"), ("median", 0.5, "middle"), ("least alike", 1.0, "end"))
    for said, place, anchor in ends:
        drawing.text(place * _SIDE, _SIDE + 32, said, size=SMALL, anchor=anchor)
    drawing.height = _SIDE + 38
    return drawing


def draw_plane(panel: PlanePanel, uris: Sequence[str | None], side: float) -> Drawing:
    """Draw images where they stand in a plane of `side` units; `uris` are their thumbnails."""
    drawing = Drawing(side, f"Images in the plane by {panel.name}", (panel.name,))
    drawing.height = side
    drawing.add("rect", "plane", x=0.5, y=0.5, width=side - 1, height=side - 1)
    for point in panel.points:
        uri = uris[point["id"]]
        scaled = f"translate({point['x']} {point['y']}) scale({panel.side / 100})"
        if uri is None:
            drawing.add("rect", "plane", point["name"], x=point["x"], y=point["y"],
                        width=panel.side, height=panel.side)  # fmt: skip
            continue
        name = f"t{point['id']}"
        image = f'<image id="{name}" width="100" height="100" href="{uri}"/>'
        drawing.reuse(name, image, scaled, point["name"])
    return drawing


def matrix_table(
    matrices: Mapping[str, NDArray[np.float64]], names: Sequence[str], order: NDArray[np.intp]
) -> pd.DataFrame:
    """Give every pair's dissimilarities, in the order of the matrices."""
    i, j = np.triu_indices(len(order), 1)
    one, other = order[i], order[j]
    images = np.asarray(names, dtype=object)
    table = {"image_a": images[one], "image_b": images[other]}
    return pd.DataFrame(table | {name: matrix[one, other] for name, matrix in matrices.items()})


def plane_table(panels: Sequence[PlanePanel]) -> pd.DataFrame:
    """Give every image's place in every plane."""
    return pd.DataFrame([
        {"plane": panel.name, "image": point["name"], "x": place[0], "y": place[1]}
        for panel in panels
        for point, place in zip(panel.points, panel.positions, strict=True)
    ])  # fmt: skip
