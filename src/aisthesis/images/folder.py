"""A folder of images, whose names are relative to it and never lead out of it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from PIL import Image

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.images.decode import decode
from aisthesis.images.faults import ImageFault
from aisthesis.images.pillow import EXTENSIONS

__all__ = ["ImageFolder"]

# Comparing spellings with every name takes a second for some ten thousand names.
_MAX_NAMES_TO_COMPARE = 20_000
_NO_UNICODE = re.compile("[\ud800-\udfff]").search


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images.

    Names are relative to the folder, with forward slashes. A name is looked up as it is and, if
    there is no such file, in the other Unicode spelling of the same characters (composed or
    decomposed, as copying from another system may change it).

    Parameters
    ----------
    root
        The folder. It may itself be a symbolic link.

    Raises
    ------
    RequestError
        If there is no such folder.
    """

    root: Path

    def __post_init__(self) -> None:
        root = Path(self.root)
        object.__setattr__(self, "root", root)
        try:
            there = root.exists()
        except OSError as error:  # a path that no file system takes
            raise RequestError(
                f"The image folder {root} cannot be: {error.strerror}; give another."
            ) from None
        if not there:
            raise RequestError(
                f"There is no image folder {root}; give the folder that holds the images."
            )
        if not root.is_dir():
            raise RequestError(f"{root} is a file; give the folder that holds the images.")
        if not os.access(root, os.R_OK | os.X_OK):
            raise RequestError(f"The image folder {root} may not be read; check its permissions.")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All images of the folder and its subfolders, by extension, sorted; listed once.

        Hidden files and folders are left out, and so are links that lead nowhere or out of the
        folder. Linked subfolders are not entered: what they hold is listed where it is.
        """
        return self._listed[0]

    @cached_property
    def left_out(self) -> tuple[str, ...]:
        """All other files that are not hidden: no image by their ending, or links that lead out."""
        return self._listed[1]

    @cached_property
    def _listed(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found: list[str] = []
        others: list[str] = []
        for folder, subfolders, files in os.walk(self.root):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            inner = Path(folder).relative_to(self.root)
            before = "" if inner == Path() else f"{inner.as_posix()}/"
            for file in files:
                if file.startswith("."):
                    continue
                image = os.path.splitext(file)[1].lower() in EXTENSIONS  # noqa: PTH122 - of many
                if os.path.islink(joined := f"{folder}{os.sep}{file}"):  # noqa: PTH114
                    path = Path(joined)
                    image &= self._inside(path) and path.exists()
                (found if image else others).append(before + file)
        return tuple(sorted(found)), tuple(sorted(others))

    def words_on_left_out(self) -> str:
        """Name the files that are left out in one sentence; empty where there is none."""
        n, some = len(self.left_out), ", ".join(self.left_out[:10])
        if not n:
            return ""
        more = f" and {n - 10} more" if n > 10 else ""
        return (
            f"skipped {n} file{'s' if n > 1 else ''} in {self.root} that cannot be read as images "
            f"by their ending, or are links that lead out: {some}{more}"
        )

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.why_not(name) is None

    def path(self, name: str) -> Path:
        """Return the path of an image.

        Raises
        ------
        ImageFault
            If the name leads out of the folder, or there is no such file.
        """
        if not name or "\0" in name:
            raise ImageFault(repr(name), "is not a file name")
        if not _is_unicode(name):
            raise ImageFault(name, "has a file name that is not Unicode (UTF-8); rename the file")
        windows = PureWindowsPath(name)
        if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
            raise ImageFault(
                name, f"leads out of the image folder; names are relative to {self.root}"
            )
        path = self.root / name
        if not self._inside(path):
            raise ImageFault(name, f"leads out of the image folder {self.root}")
        try:
            if path.exists():
                return path
        except OSError:  # a name that no file system takes
            pass
        other_spelling = self._names_by_characters.get(_characters(name))
        if other_spelling not in (None, name):
            return self.root / other_spelling
        raise ImageFault(name, f"is not in the image folder {self.root}{self._hint(name)}")

    def listed_name(self, name: str) -> str:
        """Return the name under which `names` lists this image, or `name` if it does not."""
        held = self._names_by_characters.get(name)
        if held is not None:  # most are spelt like that
            return held
        return self._names_by_characters.get(_characters(PurePosixPath(name).as_posix()), name)

    def why_not(self, name: str) -> str | None:
        """Say why an image cannot be found (a verb phrase), or None if it can."""
        held = self._names_by_characters if "_listed" in self.__dict__ else {}
        if held.get(_characters(name)) == name and _is_unicode(name):
            return None
        try:
            self.path(name)
        except ImageFault as fault:
            return fault.reason
        return None

    def digest(self, name: str) -> str:
        """SHA-256 of the file's bytes, hexadecimal.

        Raises
        ------
        ImageFault
            If the file cannot be found or read.
        """
        path = self.path(name)
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
                raise ImageFault(name, "cannot be read: it is a folder, a pipe or a device")
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ImageFault(name, f"cannot be read: {error.strerror or error}") from None

    def load(self, name: str) -> Image.Image:
        """Decode an image to upright 8-bit sRGB, mode RGB.

        Raises
        ------
        ImageFault
            If the file cannot be found or decoded.
        """
        return decode(self.path(name), name=name)

    def _inside(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self._real_root)
        except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long
            return False

    @cached_property
    def _real_root(self) -> Path:
        return self.root.resolve()

    @cached_property
    def _names_by_characters(self) -> dict[str, str]:
        return {_characters(name): name for name in self.names}

    @cached_property
    def _names_by_look(self) -> dict[str, list[str]]:
        """Names by what is left without case, folder and extension."""
        looks: dict[str, list[str]] = {}
        for name in self.names:
            looks.setdefault(_look(name), []).append(name)
        return looks

    def _hint(self, name: str) -> str:
        alike = self._names_by_look.get(_look(name), [])
        if not alike and len(self.names) <= _MAX_NAMES_TO_COMPARE:
            alike = nearest(name, self.names)
        return f" (did you mean {or_list(alike[:3])}?)" if alike else ""


def _is_unicode(name: str) -> bool:
    """Whether a name can be written into tables; bytes that are no UTF-8 cannot."""
    return _NO_UNICODE(name) is None


def _characters(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _look(name: str) -> str:
    return _characters(PurePosixPath(name.replace("\\", "/")).stem).casefold()
