"""The photographs of a study, upright and small, for pages and figures."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

from aisthesis.images import ImageFault, ImageFolder

__all__ = ["Photographs", "jpeg_data_uri", "png_data_uri"]

WORKING_PX = 640


def jpeg_data_uri(image: Image.Image, quality: int = 82) -> str:
    """Encode an image as a `data:` address that needs no file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def png_data_uri(path: Path) -> str:
    """Encode a PNG file as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


class Photographs:
    """Upright, shrunk photographs by name; one that cannot be shown is remembered, not raised.

    Parameters
    ----------
    folder : Path or None
        Folder that the names are relative to; None if it is not there any more.

    Attributes
    ----------
    unreadable : dict of str to str
        Names that could not be shown, with the reason (a verb phrase).
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = ImageFolder(folder) if folder is not None else None
        self.unreadable: dict[str, str] = {}
        self._cached = lru_cache(maxsize=64)(self._read)

    def get(self, name: str) -> Image.Image | None:
        """Give the photograph in RGB, its longer side at most 640 px, or None."""
        return self._cached(name)

    def thumbnail_uri(self, name: str, side_px: int = 320) -> str | None:
        """Give the photograph as a small JPEG in a `data:` address, or None."""
        image = self.get(name)
        if image is None:
            return None
        small = image.copy()
        small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        return jpeg_data_uri(small)

    def _read(self, name: str) -> Image.Image | None:
        if self._folder is None:
            self.unreadable[name] = "is in an image folder that is not there any more"
            return None
        try:
            image = self._folder.load(name)
        except ImageFault as fault:
            self.unreadable[name] = fault.reason
            return None
        image.thumbnail((WORKING_PX, WORKING_PX), Image.Resampling.LANCZOS)
        return image
