"""What `status` said of a study, said again at once while not a byte behind it has changed.

A status takes what a run takes to begin with: libraries are loaded, tables read, images decoded.
So its rows are kept in the user's own cache, with a digest of all that they follow from: every file
of the study's folder and of its inputs, byte for byte, this package, what is installed. Where
anything differs, or cannot be told so simply, the status is found out anew. To say it again takes
no more than the standard library.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisthesis.errors import AisthesisError
from aisthesis.store.permitted import folder_of

if TYPE_CHECKING:
    from aisthesis.studies.ratings.study import Study
    from aisthesis.studies.similarity.study import Alignment

__all__ = ["Standing", "find_out", "kept", "remember"]

#: More than this is not read in moments; a status would only take longer for it.
_MOST_BYTES = 1 << 29
_MOST_KEPT = 100
_PACKAGE = Path(__file__).parents[1]
_VARIABLES = ("HOME", "TORCH_HOME", "XDG_CACHE_HOME")


class _UntoldError(Exception):
    """What a status follows from is not told by a few bytes: a link, a device, the user's code."""


@dataclass(frozen=True)
class Standing:
    """A status: rows of text and whole numbers under their columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int]]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        state = self.columns.index("state")
        return all(row[state] == "done" for row in self.rows)


@dataclass(frozen=True)
class _Source:
    """What a status follows from: where it was asked for, the study's folder, and its inputs."""

    place: str
    root: str
    inputs: tuple[str, ...]  # files, and folders with all that is in them
    listed: tuple[str, ...]  # folders of which only the names count

    def digest(self, *, content: bool) -> str:
        """Digest of all of it: of names and sizes, or of names and bytes."""
        if (Path(self.root) / ".lock.json").exists():
            raise _UntoldError("a run may be at work")
        digest = hashlib.sha256(repr((self, sys.version, *_surroundings())).encode())
        for listed in map(Path, self.listed):
            names = sorted(str(one) for one in listed.iterdir()) if listed.is_dir() else []
            digest.update(repr((str(listed), names)).encode())
        total = 0
        for path in dict.fromkeys((self.place, self.root, str(_PACKAGE), *self.inputs)):
            for file, size in _files(Path(path)):
                total += size
                if total > _MOST_BYTES:
                    raise _UntoldError("too much to be read at once")
                digest.update(f"{file}\0{size}\0".encode(errors="surrogateescape"))
                if content and size >= 0:
                    with file.open("rb") as opened:
                        digest.update(hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()


def kept(place: Path) -> Standing | None:
    """Give the status that is known of a study's folder or file, if nothing has changed since.

    The file that a run has written into a study's folder is as good as the folder.
    """
    with suppress(_UntoldError, OSError, ValueError, KeyError, TypeError):
        place = folder_of(place) or place
        known = json.loads(_entry(place).read_text(encoding="utf-8"))
        inputs, listed = (tuple(known["source"][key]) for key in ("inputs", "listed"))
        source = _Source(str(place.absolute()), known["source"]["root"], inputs, listed)
        # Sizes tell most changes without a file being read.
        if source.digest(content=False) != known["sizes"]:
            return None
        if source.digest(content=True) == known["bytes"]:
            return Standing(known["columns"], known["rows"])
    return None


def find_out(place: Path, study: Study | Alignment) -> Standing:
    """Find out the status of a study, opened by its folder or file, and keep it where it can be."""
    before = source = None
    place = folder_of(place) or place
    with suppress(_UntoldError, OSError, ValueError):
        source = _source_of(place, study)
        before = source.digest(content=True)
    table = study.status()
    rows = [[int(cell) if isinstance(cell, int) else str(cell) for cell in row]
            for row in table.astype(object).itertuples(index=False)]  # fmt: skip
    found = Standing(list(table.columns), rows)
    if source is not None and before is not None:
        with suppress(_UntoldError, OSError, ValueError):
            if source.digest(content=True) == before:  # nothing was changed meanwhile
                _write(place, source, before, found)
    return found


def remember(study: Study | Alignment) -> None:
    """Have the status of a study's folder at hand, where a command has just worked on it.

    It is that of the folder opened anew: what the study was computed from may be another by now.
    """
    root = study.folder.root
    with suppress(_UntoldError, AisthesisError, OSError, ValueError):
        _source_of(root, study)
        find_out(root, type(study).open(root))


def _source_of(place: Path, study: Study | Alignment) -> _Source:
    """What the status of a study follows from.

    Raises
    ------
    _UntoldError
        If code of the user's has a say in it, or weights that only their library can find.
    """
    from aisthesis.backbones import KNOWN, find_official, hub_folder
    from aisthesis.miniature import MINIATURE_PREFIX
    from aisthesis.studies.shared.own_parts import own_parts

    config = study.config
    if study.folder.follow_links or own_parts(config):
        raise _UntoldError("links or code of the user's")
    inputs, listed = list(_paths(config.model_dump(exclude={"out", "weights_dir"}))), []
    for backbone in config.backbones:
        if backbone.weights not in ("default", "random"):
            inputs.append(Path(backbone.weights).expanduser())
        elif backbone.weights == "random" or backbone.name.startswith(MINIATURE_PREFIX):
            continue
        elif backbone.name in KNOWN:
            listed += [one for one in (hub_folder(), config.weights_dir) if one is not None]
            found = find_official(KNOWN[backbone.name].weights, config.weights_dir)
            inputs += [] if found is None else [found]
        else:
            raise _UntoldError(f"the weights of {backbone.name} are found by its library")
    root = str(study.folder.root.absolute())
    return _Source(
        str(place.absolute()),
        root,
        tuple(dict.fromkeys(map(str, inputs))),
        tuple(dict.fromkeys(map(str, listed))),
    )


def _paths(values: Any) -> Iterator[Path]:
    """Every path among the settings of a study."""
    if isinstance(values, Path):
        yield values
    elif isinstance(values, Mapping):
        for one in values.values():
            yield from _paths(one)
    elif isinstance(values, list | tuple | set | frozenset):
        for one in values:
            yield from _paths(one)


def _surroundings() -> Iterator[Any]:
    """What is installed, which decides what code does, and variables that say where things are."""
    yield {name: os.environ.get(name) for name in _VARIABLES}
    folders = [Path(folder) for folder in sys.path if folder and Path(folder).is_dir()]
    yield sorted(str(one) for folder in folders for one in folder.glob("*-info"))


def _files(path: Path) -> Iterator[tuple[Path, int]]:
    """Each file in or at a path with its size, in order; an absent one has none.

    Raises
    ------
    _UntoldError
        If something else is there: a link in a folder, a pipe, a device.
    """
    try:
        status = path.stat()
    except OSError:
        yield path, -1
        return
    if stat.S_ISREG(status.st_mode):
        yield path, status.st_size
        return
    if not stat.S_ISDIR(status.st_mode):
        raise _UntoldError(f"{path} is neither a file nor a folder")
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.name == "__pycache__" or entry.name.startswith(".lock"):
            continue
        if entry.is_symlink():
            raise _UntoldError(f"{entry.path} is a link")
        yield from _files(Path(entry.path))


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "aisthesis" / "status"


def _entry(place: Path) -> Path:
    name = hashlib.sha256(os.fsencode(place.absolute())).hexdigest()[:32]
    return _folder() / f"{name}.json"


def _write(place: Path, source: _Source, digest: str, found: Standing) -> None:
    """Write what is known of a place, whole or not at all; the oldest of many go."""
    entry = _entry(place)
    entry.parent.mkdir(parents=True, exist_ok=True)
    known = {
        "source": asdict(source), "sizes": source.digest(content=False), "bytes": digest,
        **asdict(found),
    }  # fmt: skip
    partial = entry.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(known), encoding="utf-8")
    partial.replace(entry)
    held = sorted(entry.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for old in held[:-_MOST_KEPT]:
        old.unlink(missing_ok=True)
