"""Masks of evidence from image files, through the crop that the network saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.images import Transform, decode_mask
from aisthesis.images.faults import ImageFault

__all__ = ["load_masks", "mask_path", "require_masks"]

HALF = 127.5  # of the grey values 0 to 255


def mask_path(folder: Path, image: str) -> Path | None:
    """Find the mask of an image: the same relative name, else the same with .png; or None."""
    named = folder / image
    for candidate in (named, named.with_suffix(".png")):
        if candidate.is_file():
            return candidate
    return None


def load_masks(
    folder: str | Path,
    images: Sequence[str],
    transform: Transform,
    sizes_px: Mapping[str, tuple[float, float]] | None = None,
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
    sizes_px : mapping, optional
        Width and height of every image, upright; masks of another shape are refused. Without it
        they are taken to be those of their images.

    Returns
    -------
    ndarray
        Shape (N, H, W) of the transform's `size_px`, bool; a pixel counts where the resized mask
        is at least half white. Bars beside the image hold no evidence.

    Raises
    ------
    RequestError
        If masks are missing, have another shape than their images or cannot be read; those that
        are missing, and those of another shape, are named at once.
    """
    root = Path(folder)
    found = require_masks(root, images)
    masks = np.zeros((len(images), *transform.size_px), bool)
    odd: list[str] = []
    for index, image in enumerate(images):
        path = found[image]
        if path is not None:
            mask = _opened(path)
            odd += _other_shape(path, mask, None if sizes_px is None else sizes_px[image])
            masks[index] = _cropped(mask, transform)
    if odd:
        verb = "has" if len(odd) == 1 else "have"
        raise RequestError(
            f"{len(odd)} of {len(images)} masks {verb} another shape than the image: "
            f"{'; '.join(odd[:3])}{' ...' if len(odd) > 3 else ''}; give masks as wide and high "
            "as their images."
        )
    return masks


def require_masks(folder: Path, images: Sequence[str]) -> dict[str, Path | None]:
    """Find the masks of images, without opening any.

    Raises
    ------
    RequestError
        If there is no such folder, or with all images that have no mask.
    """
    if not folder.is_dir():
        raise RequestError(f"There is no folder of masks at {folder}.")
    found = {image: mask_path(folder, image) for image in images}
    missing = [image for image, path in found.items() if path is None]
    if missing:
        raise RequestError(
            f"{len(missing)} of {len(images)} images have no mask in {folder}: "
            f"{', '.join(missing[:10])}{' ...' if len(missing) > 10 else ''}; an image without "
            "evidence needs an all-black mask."
        )
    return found


def _other_shape(path: Path, mask: Image.Image, size_px: tuple[float, float] | None) -> list[str]:
    """Say of a mask that is not as wide and high as its image that it is not."""
    if size_px is None or mask.size == (width_height := tuple(round(side) for side in size_px)):
        return []
    wide, high = width_height
    return [f"{path} is {mask.width} x {mask.height} px, its image {wide} x {high} px"]


def _opened(path: Path) -> Image.Image:
    try:
        return decode_mask(path)
    except ImageFault as fault:
        raise RequestError(
            f"The mask {path} cannot be read as an image (it {fault.reason})."
        ) from None


def _cropped(mask: Image.Image, transform: Transform) -> NDArray[np.bool_]:
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
