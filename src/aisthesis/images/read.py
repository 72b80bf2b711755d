"""A photograph in whatever form somebody has it: a path, a Pillow image or an array of pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from aisthesis.errors import RequestError
from aisthesis.images.colour import to_rgb
from aisthesis.images.decode import decode
from aisthesis.images.faults import ImageFault

__all__ = ["photograph_of"]


def photograph_of(given: Any) -> Image.Image:
    """Give a photograph as upright 8-bit sRGB.

    Parameters
    ----------
    given : path, PIL.Image.Image or array
        Arrays are (H, W, 3) or (H, W), uint8.

    Raises
    ------
    RequestError
        If it is none of these, or a file cannot be read.
    """
    if isinstance(given, Image.Image):
        return to_rgb(ImageOps.exif_transpose(given))
    if isinstance(given, str | os.PathLike):
        try:
            return decode(Path(os.fspath(given)))
        except ImageFault as fault:
            raise RequestError(str(fault)) from None
    if isinstance(given, np.ndarray) or hasattr(given, "__array__"):
        pixels = np.asarray(given)
        if pixels.dtype == np.uint8 and (
            pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
        ):
            return Image.fromarray(pixels).convert("RGB")
        raise RequestError(
            f"expected an image of uint8, (H, W, 3), got {pixels.dtype} of shape {pixels.shape}; "
            "values from 0 to 1 have to be multiplied by 255 and made uint8 first"
        )
    raise RequestError(
        f"expected an image as a path, a PIL image or an array, got {type(given).__name__}"
    )
