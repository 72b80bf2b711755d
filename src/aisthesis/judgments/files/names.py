"""Which file is meant by a name that is spelt otherwise: only where a single one can be."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from aisthesis.judgments.files.folder import Folder

__all__ = ["Renamed", "renamed"]


@dataclass(frozen=True)
class Renamed:
    """Names of a table that are spelt unlike the files that they mean.

    Attributes
    ----------
    names
        The file's name by the table's, for those that differ; all others are as they were.
    said
        How many differ in what, in words; empty where none does.
    """

    names: dict[str, str]
    said: tuple[str, ...]

    def __call__(self, name: str) -> str:
        """The name of the file that a name means."""
        return self.names.get(name, name)


def renamed(names: Iterable[str], folder: Folder) -> Renamed:
    """Find files for names that the folder does not hold as they are.

    A name may have folders in front of it that the file has not, or be a URL, be in other letter
    case or Unicode form, or lack its extension. It is taken for a file only if no other file fits
    as well, and no other name of the table means that file.
    """
    names = list(dict.fromkeys(names))
    missing = {name: None for name in names if folder.why_not(name) is not None}
    if not missing:
        return Renamed({}, ())
    taken = Counter(folder.listed_name(name) for name in names if name not in missing)
    files = _Files(folder.names)
    meant = {name: file for name in missing if (file := files.find(name)) is not None}
    taken.update(meant.values())
    sole = {name: file for name, file in meant.items() if taken[file] == 1}
    ways: dict[str, list[str]] = {}
    for name, file in sole.items():
        ways.setdefault(_difference(name, file), []).append(name)
    said = [
        f"{len(found)} of {len(names)} names differ from the files' in {way} "
        f"({found[0]} is {sole[found[0]]})"
        for way, found in ways.items()
    ]
    return Renamed(sole, tuple(said))


class _Files:
    """Files of a folder by what is left of their names in fewer and fewer respects."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            path = PurePosixPath(_plain(name))
            self._by_name.setdefault(path.name, []).append(name)
            self._by_stem.setdefault(path.stem, []).append(name)

    def find(self, name: str) -> str | None:
        """The one file that fits; None where there is none, or several fit as well."""
        asked = PurePosixPath(_path(name))
        last = _plain(asked.name)
        fitting = self._by_name.get(last) or self._by_stem.get(last) or []
        if len(fitting) > 1:
            # A file that lies in the folders that are named is meant before all others.
            inside = [file for file in fitting if _ends_with(asked, file)]
            depth = max((len(PurePosixPath(file).parts) for file in inside), default=0)
            fitting = [f for f in inside if len(PurePosixPath(f).parts) == depth] or fitting
        if len(fitting) > 1 and len({_plain(str(PurePosixPath(f).parent)) for f in fitting}) == 1:
            fitting = [file for file in fitting if _same_letters(asked, file)]
        return fitting[0] if len(fitting) == 1 else None


def _ends_with(asked: PurePosixPath, file: str) -> bool:
    """Whether the folders of a file are the last ones of the path that is asked for."""
    folders = PurePosixPath(_plain(file)).parent.parts
    own = PurePosixPath(_plain(str(asked))).parent.parts
    return bool(folders) and own[len(own) - len(folders) :] == folders


def _same_letters(asked: PurePosixPath, file: str) -> bool:
    path = PurePosixPath(unicodedata.normalize("NFC", file))
    return unicodedata.normalize("NFC", asked.name) in (path.name, path.stem)


def _path(name: str) -> str:
    """The path in a URL, or a path of Windows, as a path."""
    if "://" in name or ":/" in name[2:]:
        return unquote(urlsplit(name).path)
    return name.replace("\\", "/")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _difference(name: str, file: str) -> str:
    """In what a name differs from its file's."""
    path = PurePosixPath(_path(name))
    own = PurePosixPath(file)
    ways = []
    if path.parent.parts != own.parent.parts:
        ways.append("the folders before them" if "://" not in name else "being URLs")
    if _plain(path.name) == _plain(own.stem):
        ways.append("lacking the extension")
    compared = own.name if _plain(path.name) == _plain(own.name) else own.stem
    if unicodedata.normalize("NFC", path.name) != unicodedata.normalize("NFC", compared):
        ways.append("letter case")
    elif path.name != compared:
        ways.append("Unicode form")
    return " and ".join(ways) or "spelling"
