"""Coordinates of maps, so that they are drawn the right way up and in known pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["map_axes"]

_EDGES = ("crop_left", "crop_top", "crop_right", "crop_bottom")


def map_axes(
    boxes: Mapping[str, Any],
    rows: int,
    columns: int,
    input_px: tuple[int, int] | None = None,
    *,
    covers: str = "network's input",
) -> dict[str, xr.Variable]:
    """Give the centres of a map's cells as `x` and `y`.

    `y` falls along the rows: it is measured upwards from the lower edge, as plots draw it.

    Parameters
    ----------
    boxes : mapping
        `crop_left`, `crop_top`, `crop_right`, `crop_bottom` and `height_px` of every image, in
        pixels of the photograph. Where all images have the same, so are `x` and `y`.
    rows, columns : int
        Of the map, which covers the crop.
    input_px : (int, int), optional
        Height and width of the network's input: of its pixels `x` and `y` are where the crops of
        the images differ; shares of its sides (0 to 1) where it is not known either.
    covers : str
        What the map covers of each photograph, in words.

    Returns
    -------
    dict
        `x` and `y`, whose attributes say what they are measured in and from.
    """
    frame, units = "photograph", "px"
    left, top, right, bottom, height = 0.0, 0.0, 1.0, 1.0, 1.0
    found = [np.asarray(boxes[name]) for name in (*_EDGES, "height_px") if name in boxes]
    if len(found) == len(_EDGES) + 1 and all(len(v) and (v == v[0]).all() for v in found):
        left, top, right, bottom, height = (float(values[0]) for values in found)
    elif input_px is not None:
        frame = covers
        bottom = height = float(input_px[0])
        right = float(input_px[1])
    else:
        frame, units = covers, "share of its side"
    x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    y = height - (top + (np.arange(rows) + 0.5) / rows * (bottom - top))
    says = {"units": units, "frame": frame}
    return {
        "x": xr.Variable("x", x, {"long_name": f"from the left edge of the {frame}", **says}),
        "y": xr.Variable("y", y, {"long_name": f"above the lower edge of the {frame}", **says}),
    }
