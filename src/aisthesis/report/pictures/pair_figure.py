"""The figure of two images and of what in each makes a network find them alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from PIL import Image

from aisthesis.maps.colour import stated_limit
from aisthesis.report.charts.drawing import SMALL, Drawing
from aisthesis.report.charts.letters import shortened
from aisthesis.report.folder.stored_maps import CropBox
from aisthesis.report.pictures.figure_pictures import draw_colour_bar
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.words.colour_words import limit_text, meaning
from aisthesis.report.words.wording import number

__all__ = ["draw_pair"]

_SIDE_PX, _SIDE, _GAP = 448, 260.0, 10.0  # pixels of a map; units of a picture's width
_CROP = ("crop_left", "crop_top", "crop_right", "crop_bottom", "width_px", "height_px")


def draw_pair(found: xr.DataArray, photographs: Sequence[Image.Image]) -> Drawing:
    """Draw both photographs and their maps on one scale, which is said; zero is white.

    Parameters
    ----------
    found : DataArray
        What `aisthesis.explain_pair` gives.
    photographs : sequence of two PIL images
        Upright.
    """
    values = found.to_numpy()
    limit = stated_limit(values)
    title = _title(found)
    drawing = Drawing(2 * _SIDE + _GAP, title[1], title)
    for own, photograph, one in zip(values, photographs, found, strict=True):
        wide = _SIDE * min(1.0, 1.6 * photograph.width / photograph.height)
        tall = wide * photograph.height / photograph.width
        name = shortened(str(one["image"].item()), _SIDE, SMALL)
        drawing.text(0, drawing.height + 12, name, "ink", size=SMALL)
        y, right = drawing.height + 18, _SIDE + _GAP
        drawing.picture(photograph, 0, y, wide, tall)
        if np.isfinite(own).all():
            crop = CropBox(*(float(one[place]) for place in _CROP))
            laid = lay_over(photograph, own, crop, _SIDE_PX, limit=limit)
            drawing.picture(laid, right, y, wide, tall)
        else:
            drawing.text(right + wide / 2, y + tall / 2, "no map: undefined", anchor="middle")
        drawing.height = y + tall + _GAP
    draw_colour_bar(drawing, limit_text(limit), _scale(int(found.attrs["window"])))
    return drawing


def _title(found: xr.DataArray) -> tuple[str, str]:
    similarity = float(found.attrs["similarity"])
    said = f"r = {number(similarity)}" if np.isfinite(similarity) else "undefined"
    return f"{found.attrs['backbone']}, {found.attrs['layer']}", f"similarity of the two: {said}"


def _scale(window: int) -> tuple[str, str]:
    removed = "" if window == 1 else f" with the {window} × {window} around it"
    return f"what a place{removed} adds to r", meaning("pair_place")
