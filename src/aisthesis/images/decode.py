"""From an image file to upright 8-bit sRGB pixels, or to a reason why not."""

from __future__ import annotations

import codecs
import stat
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from aisthesis.images.colour import to_rgb
from aisthesis.images.faults import ImageFault
from aisthesis.images.pillow import FORMATS, open_image, quiet_pillow

__all__ = ["MAX_PIXELS", "MIN_SIDE_PX", "decode", "decode_grey", "decode_mask"]

MAX_PIXELS = 256_000_000
MIN_SIDE_PX = 8
# Beyond this the centre crop shows next to nothing of the image, and resizing would take memory
# in proportion.
_MAX_ASPECT = 100
# Two of these at once, with their copies, are gigabytes: they take turns.
_LARGE_PIXELS = 40_000_000
_LARGE_IMAGES_TAKE_TURNS = threading.Lock()

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# All that Pillow's decoders are known to raise on bytes that are not what they seem.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_NOT_IMAGES = (
    (b"%PDF", "is a PDF document"),
    (b"<svg", "is an SVG drawing"),
    (b"<!doctype html", "is a web page (often a failed download)"),
    (b"<html", "is a web page (often a failed download)"),
    (b"version https://git-lfs", "is a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (b"PK\x03\x04", "is a ZIP archive"),
    (b"8BPS", "is a Photoshop document"),
    (b"%!PS", "is a PostScript file"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def decode(
    path: Path | str,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    min_side_px: int = MIN_SIDE_PX,
) -> Image.Image:
    """Decode an image file to upright 8-bit sRGB.

    The EXIF orientation is applied. Transparency is composited on white. Of a file with several
    frames (GIF, APNG, WebP, TIFF, MPO) the first is taken. 16-bit greyscale is scaled to 8 bits;
    16-bit colour is given as Pillow reads it (the high byte). Pixels with a colour profile other
    than sRGB are converted; a damaged profile is ignored. The content decides about the format,
    not the file's extension.

    Parameters
    ----------
    path
        File to read.
    name
        What to call the image in messages; the file's name by default.
    max_pixels
        Larger images are refused from their header, before anything is decoded.
    min_side_px
        Images with a shorter side are refused.

    Returns
    -------
    Image
        Mode RGB, wholly decoded, file closed.

    Raises
    ------
    ImageFault
        With the image's name and a plain reason: no such file, a folder, empty, no image, cut
        short, damaged, too large, too small, too elongated, or pixels without a clear meaning.
    """
    path = Path(path)
    return _read(path, name or path.name, max_pixels, min_side_px, _upright_rgb)


def decode_mask(path: Path, *, name: str | None = None) -> Image.Image:
    """Decode a mask to grey values as they are stored: not turned, mode L, of any size.

    Raises
    ------
    ImageFault
        As `decode` does, with the mask's name and a plain reason.
    """
    return _read(path, name or path.name, MAX_PIXELS, 1, lambda image, _: image.convert("L"))


def decode_grey(path: Path, *, name: str | None = None) -> NDArray[np.float64]:
    """Decode the values of a grey picture as they are stored, of any depth: (rows, columns).

    Raises
    ------
    ImageFault
        As `decode` does; and if it is a colour picture, whose colours have no order.
    """
    found: list[NDArray[np.float64]] = []

    def keep(image: ImageFile.ImageFile, name: str) -> Image.Image:
        found.append(_grey_values(image, name))
        return image

    _read(path, name or path.name, MAX_PIXELS, 1, keep)
    return found[0]


def _grey_values(image: Image.Image, name: str) -> NDArray[np.float64]:
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.float64) * (255 if image.mode == "1" else 1)
    colours = np.asarray(image.convert("RGB"))
    if (colours != colours[..., :1]).any():
        raise ImageFault(name, "is a colour picture; save its values as grey ones or as .npy")
    return colours[..., 0].astype(np.float64)


_Finish = Callable[[ImageFile.ImageFile, str], Image.Image]


def _read(path: Path, name: str, max_pixels: int, min_side_px: int, finish: _Finish) -> Image.Image:
    try:
        _refuse_what_is_no_file(path, name)
        with path.open("rb") as file, quiet_pillow():
            return _decode_open_file(file, name, max_pixels, min_side_px, finish)
    except MemoryError:
        raise ImageFault(name, "does not fit into this machine's memory") from None
    except OSError as error:
        raise ImageFault(name, f"cannot be read: {error.strerror or error}") from None


def _refuse_what_is_no_file(path: Path, name: str) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ImageFault(name, "does not exist") from None
    if stat.S_ISDIR(status.st_mode):
        raise ImageFault(name, "is a folder, not an image file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageFault(name, "is not a regular file")
    if status.st_size == 0:
        raise ImageFault(name, "is empty (0 bytes)")


def _decode_open_file(
    file: IO[bytes], name: str, max_pixels: int, min_side_px: int, finish: _Finish
) -> Image.Image:
    image: ImageFile.ImageFile | None = None
    try:
        image = open_image(file)
        if image is None:
            raise ImageFault(name, _what_it_is_instead(file))
        with image, ExitStack() as turn:
            _refuse_size(image.size, name, max_pixels, min_side_px)
            if image.width * image.height > _LARGE_PIXELS:
                turn.enter_context(_LARGE_IMAGES_TAKE_TURNS)
            image.load()
            return finish(image, name)
    except ImageFault:
        raise
    except _BROKEN as error:
        kind = image.format if image is not None else None
        raise ImageFault(name, _why_broken(error, kind)) from None


def _upright_rgb(image: ImageFile.ImageFile, name: str) -> Image.Image:
    orientation = _orientation(image)
    try:
        rgb = to_rgb(image)
    except ValueError as reason:
        raise ImageFault(name, str(reason)) from None
    if orientation in _UPRIGHT:
        return rgb.transpose(_UPRIGHT[orientation])
    return rgb


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _BROKEN:  # damaged metadata; the pixels are whole
        return 1


def _refuse_size(size_px: tuple[int, int], name: str, max_pixels: int, min_side_px: int) -> None:
    width, height = size_px
    size = f"is {width} × {height} pixels"
    if width * height > max_pixels:
        raise ImageFault(
            name, f"{size}, more than the limit of {max_pixels / 1e6:g} megapixels; make it smaller"
        )
    if min(width, height) < min_side_px:
        raise ImageFault(name, f"{size}; at least {min_side_px} × {min_side_px} are needed")
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise ImageFault(
            name, f"{size}: one side is more than {_MAX_ASPECT} times the other; crop it"
        )


def _why_broken(error: BaseException, kind: str | None) -> str:
    what = f"{kind} file" if kind else "image file"
    text = str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"is too large for Pillow's reader of {what}s: {text}"
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return f"is cut short (truncated {what}); get a whole copy"
    # The text of a KeyError is the bare key.
    detail = "" if isinstance(error, LookupError) or not text else f" ({text})"
    return f"is a damaged {what}{detail}"


def _what_it_is_instead(file: IO[bytes]) -> str:
    file.seek(0)
    start = file.read(512)
    known = f"no image that can be read ({', '.join(FORMATS)})"
    lowered = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for prefix, reason in _NOT_IMAGES:
        if lowered.startswith(prefix.lower()):
            return f"{reason}, {known}"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS:
        return "is a HEIC/HEIF photograph; convert it to JPEG or PNG"
    if _is_text(start):
        return f"is text, {known}"
    return f"is {known}"


def _is_text(start: bytes) -> bool:
    try:
        # Incremental: the last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return text != "" and all(sign >= " " or sign in "\t\r\n\f" for sign in text)
