"""Pillow, kept to image formats that are safe and photographs, and kept quiet."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from PIL import Image, ImageFile

__all__ = ["EXTENSIONS", "FORMATS", "open_image", "quiet_pillow"]

# Left out on purpose: EPS would run Ghostscript, TGA and others accept nearly any bytes.
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".tiff", ".webp"}
    | {".gif", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"}
)
_PREFIX_BYTES = 16


def open_image(file: IO[bytes]) -> ImageFile.ImageFile | None:
    """Read the header of an image, whatever its size; the pixels are not decoded.

    `PIL.Image.open` refuses large sizes by a limit that is global to the process. Asking the
    format plugins themselves leaves that limit alone and lets the caller set its own.

    Returns
    -------
    ImageFile or None
        None if no known format recognises the first bytes.

    Raises
    ------
    SyntaxError, OSError, ValueError and others
        Whatever a plugin raises on a header that begins well and is broken.
    """
    Image.init()
    prefix = file.read(_PREFIX_BYTES)
    for name in FORMATS:
        if name not in Image.OPEN:  # this build of Pillow lacks the format
            continue
        factory, accept = Image.OPEN[name]
        try:
            accepted = accept is None or accept(prefix)
        except (IndexError, struct.error):  # fewer bytes than the signature
            continue
        if accepted is True or (accepted and not isinstance(accepted, str)):
            file.seek(0)
            return factory(file, "")
    return None


class _PillowSilence:
    """Ignores warnings raised inside Pillow while at least one thread asks for it.

    `warnings.catch_warnings` swaps the list of filters of the whole process and, used from
    several threads, can put back a list that another thread has already left. Here one entry is
    added to the list and the same entry is removed, so nobody else's filters are touched.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._entry: object = None
        self._list: Any = []

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                before = list(warnings.filters)
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._list = warnings.filters
                entry = self._list[0]
                self._entry = None if entry in before else entry

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._entry is not None:
                # The current list may be another one by now: a copy made by catch_warnings.
                lists: tuple[Any, ...] = (self._list, warnings.filters)
                for filters in lists:
                    if self._entry in filters:
                        filters.remove(self._entry)


_SILENCE = _PillowSilence()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings from inside Pillow; safe to use from several threads at once."""
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()
