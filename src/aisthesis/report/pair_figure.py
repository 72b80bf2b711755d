"""The figure of two images and of what in each makes a network find them alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from aisthesis.maps import stated_limit
from aisthesis.report.colour_words import limit_text, meaning
from aisthesis.report.figure_pictures import faded_colours
from aisthesis.report.figures import INK, QUIET
from aisthesis.report.overlays import lay_over
from aisthesis.report.stored_maps import CropBox
from aisthesis.report.wording import number

__all__ = ["draw_pair"]

_SIDE_PX, _BELOW_AND_ABOVE = 448, 1.5  # inches beside the pictures
_CROP = ("crop_left", "crop_top", "crop_right", "crop_bottom", "width_px", "height_px")


def draw_pair(found: xr.DataArray, photographs: Sequence[Image.Image]) -> Figure:
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
    tall = sum(2.6 * min(1.6, photo.height / photo.width) for photo in photographs)
    figure = Figure(figsize=(5.6, tall + _BELOW_AND_ABOVE), layout="constrained")
    grid = figure.subplots(2, 2)
    for row, own, photograph, one in zip(grid, values, photographs, found, strict=True):
        _picture(row[0], photograph, str(one["image"].item()))
        if np.isfinite(own).all():
            crop = CropBox(*(float(one[name]) for name in _CROP))
            _picture(row[1], lay_over(photograph, own, crop, _SIDE_PX, limit=limit), "")
        else:
            row[1].set_axis_off()
            row[1].text(0.5, 0.5, "no map:\nundefined", ha="center", va="center", color=QUIET)
    figure.suptitle(_title(found), fontsize=8, color=INK, parse_math=False, wrap=True)
    _scale(figure, grid, limit, int(found.attrs["window"]))
    return figure


def _picture(axes: Axes, picture: Image.Image, title: str) -> None:
    axes.imshow(np.asarray(picture))
    axes.set_axis_off()
    axes.set_title(title, fontsize=7, loc="left", color=INK, parse_math=False)


def _title(found: xr.DataArray) -> str:
    similarity = float(found.attrs["similarity"])
    said = f"r = {number(similarity)}" if np.isfinite(similarity) else "undefined"
    return f"{found.attrs['backbone']}, {found.attrs['layer']}\nsimilarity of the two: {said}"


def _scale(figure: Figure, grid: np.ndarray, limit: float, window: int) -> None:
    mappable = ScalarMappable(Normalize(-limit, limit), faded_colours())
    bar = figure.colorbar(
        mappable, ax=grid, orientation="horizontal", shrink=0.7, aspect=40, pad=0.02
    )
    text = limit_text(limit)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{text}", "0", f"+{text}"])
    removed = "" if window == 1 else f" with the {window} × {window} around it"
    words = f"what a place{removed} adds to r"
    bar.set_label(f"{words}\n{meaning('pair_place')}", fontsize=7)
    bar.ax.tick_params(labelsize=7)
