"""Any pixel format that Pillow reads, brought to 8-bit sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

__all__ = ["to_rgb"]

_WHITE = (255, 255, 255)
_PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
# A profile that moves no colour further than this is sRGB under another name: pixels stay as
# they are, rather than lose a level by a round trip.
_SAME_COLOUR_LEVELS = 2
_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 258, 262, 0


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded image as 8-bit sRGB.

    Transparency is composited on white. 16-bit greyscale is scaled (not clipped) to 8 bits, and
    so is floating point within 0..1. A colour profile other than sRGB is converted from; one that
    is damaged or belongs to another kind of pixels is ignored. CMYK without a profile is
    converted by the plain complement.

    Parameters
    ----------
    image
        Any mode, first frame already loaded.

    Returns
    -------
    Image
        Mode RGB, same size; `image` itself if nothing has to change.

    Raises
    ------
    ValueError
        If the meaning of the pixel values is unknown; the message is a reason in words.
    """
    colour, alpha = _colour_and_alpha(image)
    profile = image.info.get("icc_profile")
    convert = _from_profile(profile, colour.mode) if isinstance(profile, bytes) else None
    # No copies without need: an image may hold a gigabyte.
    if convert:
        colour = convert.apply(colour)
    elif colour.mode != "RGB":
        colour = colour.convert("RGB")
    if alpha is None:
        return colour
    white = Image.new("RGB", colour.size, _WHITE)
    white.paste(colour, mask=alpha)
    return white


def _colour_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Split into 8-bit colour (L, RGB or CMYK) and, where there is one, 8-bit opacity (L)."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return _from_integers(image)
    if image.mode == "F":
        return _from_floats(np.asarray(image)), None
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        mode = "LA" if grey else "RGBA"
        both = image if image.mode == mode else image.convert(mode)
        return both.convert("L" if grey else "RGB"), both.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    if image.mode in ("P", "YCbCr", "LAB", "HSV", "RGBX"):
        return image.convert("RGB"), None
    raise ValueError(
        f"holds pixels of a kind that is not supported (mode {image.mode}); "
        "save it as an 8-bit RGB PNG or JPEG"
    )


def _from_integers(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    values = np.asarray(image)  # (y, x)
    # In mode I the range is unknown, but for formats that have nothing beyond 16 bits.
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise ValueError(
            f"holds signed or 32-bit whole numbers (from {values.min()} to {values.max()}) whose "
            "black and white are unknown; save it with 8 or 16 bits per pixel"
        )
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))
    white = 2 ** int(bits[0] if isinstance(bits, tuple) else bits) - 1
    levels = ((np.arange(65536) * 255 + white // 2) // white).clip(0, 255).astype(np.uint8)
    if tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO:
        levels = 255 - levels
    grey = levels[values.astype(np.uint16)]
    see_through = image.info.get("transparency")
    alpha = None
    if isinstance(see_through, int):
        alpha = Image.fromarray(np.where(values == see_through, 0, 255).astype(np.uint8))
    return Image.fromarray(grey), alpha


def _from_floats(values: NDArray[np.float32]) -> Image.Image:
    # One NaN makes both comparisons false.
    if values.min() >= 0 and values.max() <= 1:
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    raise ValueError(
        f"holds floating-point values from {values.min():.4g} to {values.max():.4g}, and only "
        "0 to 1 has a clear meaning; save it with 8 or 16 bits per pixel"
    )


@lru_cache(maxsize=32)
def _from_profile(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Conversion from a profile to sRGB; None if there is nothing to convert or no way to."""
    if mode not in _PROFILE_SPACES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES[mode]:
            return None
        srgb = ImageCms.createProfile("sRGB")
        convert = ImageCms.buildTransform(source, srgb, mode, "RGB")
        if mode != "CMYK" and _moves_no_colour(convert, mode):
            return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None
    return convert if isinstance(convert, ImageCms.ImageCmsTransform) else None


def _moves_no_colour(convert: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    if mode == "L":
        probe = Image.fromarray(levels[None, :])
    else:
        grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1)  # (18, 18, 18, 3)
        probe = Image.fromarray(grid.reshape(18, -1, 3))
    before = np.asarray(probe.convert("RGB")).astype(int)
    after = np.asarray(convert.apply(probe)).astype(int)
    return bool(np.abs(after - before).max() <= _SAME_COLOUR_LEVELS)
