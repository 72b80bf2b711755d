"""Masks of evidence from image files, through the crop that the network saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from aisthesis.errors import RequestError
from aisthesis.images import Transform

__all__ = ["load_masks", "mask_path"]

HALF = 127.5  # of the grey values 0 to 255


def mask_path(folder: Path, image: str) -> Path | None:
    """Find the mask of an image: the same relative name, else the same with .png; or None."""
    named = folder / image
    for candidate in (named, named.with_suffix(".png")):
        if candidate.is_file():
            return candidate
    return None


def load_masks(
    folder: str | Path, images: Sequence[str], transform: Transform
) -> NDArray[np.bool_]:
    """Read masks and cut from each the part that the network saw of its image.

    Parameters
    ----------
    folder : path
        Folder of greyscale masks, named and sized as their images (or named with .png): white
        where there is evidence.
    images : sequence of str
        Names of the images, relative to their own folder.
    transform : Transform
        The backbone's transform, which says what is cropped.

    Returns
    -------
    ndarray
        Shape (N, H, W) of the transform's `size_px`, bool; a pixel counts where the resized mask
        is at least half white. Bars beside the image hold no evidence.

    Raises
    ------
    RequestError
        If masks are missing or cannot be read; all of them are named at once.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RequestError(f"There is no folder of masks at {root}.")
    found = {image: mask_path(root, image) for image in images}
    missing = [image for image, path in found.items() if path is None]
    if missing:
        raise RequestError(
            f"{len(missing)} of {len(images)} images have no mask in {root}: "
            f"{', '.join(missing[:10])}{' ...' if len(missing) > 10 else ''}; an image without "
            "evidence needs an all-black mask."
        )
    masks = np.zeros((len(images), *transform.size_px), bool)
    for index, image in enumerate(images):
        path = found[image]
        if path is not None:
            masks[index] = _read_cropped(path, transform)
    return masks


def _read_cropped(path: Path, transform: Transform) -> NDArray[np.bool_]:
    try:
        with Image.open(path) as opened:
            mask = opened.convert("L")
    except (OSError, UnidentifiedImageError) as error:
        raise RequestError(f"The mask {path} cannot be read as an image ({error}).") from error
    height, width = transform.size_px
    left, top, right, bottom = transform.crop_box(*mask.size)
    inner = (max(left, 0), max(top, 0), min(right, mask.width), min(bottom, mask.height))
    # Where the part inside the mask lies on the network's pixels; all of them without bars.
    x = [round((edge - left) / (right - left) * width) for edge in inner[::2]]
    y = [round((edge - top) / (bottom - top) * height) for edge in inner[1::2]]
    seen = np.zeros((height, width), bool)
    if x[1] > x[0] and y[1] > y[0]:
        size = (x[1] - x[0], y[1] - y[0])
        resized = mask.resize(size, Image.Resampling.BILINEAR, box=inner)
        seen[y[0] : y[1], x[0] : x[1]] = np.asarray(resized) > HALF
    return seen
