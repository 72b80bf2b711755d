"""What is finished, what it depended on, and whether its files are still what they were."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from aisthesis.store.files import plain_errors, remove_tree, sync, sync_names, write_text

__all__ = ["Dependencies", "Ledger", "State", "file_digest"]

#: What a piece of work depends on: a digest or value by the name that people know it by.
Dependencies = Mapping[str, str]

Kind = Literal["done", "stale", "damaged", "to do"]


@dataclass(frozen=True)
class State:
    """Whether a piece of work is done, and why not."""

    kind: Kind
    why: str = ""

    @property
    def done(self) -> bool:
        """Whether the piece may be used as it is."""
        return self.kind == "done"


class Ledger:
    """One small file a finished piece of work, written after the files that the piece made.

    A piece counts as done only while everything it depended on is the same and every file that it
    made has the bytes that it had: dates are never looked at.

    Parameters
    ----------
    root : Path
        The study's folder; entries are in its `ledger/`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entries = root / "ledger"

    def enter(
        self, name: str, dependencies: Dependencies, files: Iterable[Path], **notes: Any
    ) -> None:
        """Write down that a piece is done.

        Parameters
        ----------
        name : str
            Its name, with `/` between a group and what is in it.
        dependencies : mapping
            All that it depended on.
        files : iterable of Path
            What it made; an absent one (a chunk without values) has to stay absent.
        notes
            JSON values to be given back by `notes`.
        """
        made = {self._relative(file): file for file in files}
        # A power failure must not leave a name without its bytes.
        sync(made.values(), self.root)
        entry = {
            "parts": dict(dependencies),
            "files": {name: file_digest(file) for name, file in made.items()},
            "sizes": {name: file.stat().st_size for name, file in made.items() if file.is_file()},
            "notes": notes,
        }
        path = self._path(name)
        with plain_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(entry, ensure_ascii=False))
        sync_names([path], self.root)

    def state(self, name: str, dependencies: Dependencies) -> State:
        """Say whether a piece is done with these dependencies and intact."""
        entry = self._read(name)
        if entry is None:
            return State("to do", "not done yet")
        held = entry["parts"]
        changed = [
            name for name in {**held, **dependencies} if held.get(name) != dependencies.get(name)
        ]
        if changed:
            verb = "have" if len(changed) > 1 else "has"
            return State("stale", f"{', '.join(changed)} {verb} changed")
        for name, digest in entry["files"].items():
            found = file_digest(self.root / name, size=entry["sizes"].get(name))
            if found != digest:
                return State("damaged", f"{name} {'is gone' if found is None else 'is damaged'}")
        return State("done")

    def notes(self, name: str) -> dict[str, Any]:
        """What was noted with a piece; empty where there is none."""
        entry = self._read(name)
        return {} if entry is None else dict(entry["notes"])

    def dependencies(self, name: str) -> dict[str, str]:
        """What a piece depended on; empty where there is none."""
        entry = self._read(name)
        return {} if entry is None else dict(entry["parts"])

    def vouches(self, name: str, file: Path) -> bool:
        """Whether a piece made this file and it still has the same bytes."""
        entry = self._read(name)
        digest = None if entry is None else entry["files"].get(self._relative(file))
        return digest is not None and digest == file_digest(file)

    def files(self, name: str) -> list[Path]:
        """Files that a piece made; none where there is no such piece."""
        entry = self._read(name)
        return [] if entry is None else [self.root / name for name in entry["files"]]

    def forget(self, name: str) -> None:
        """Drop a piece and all that is in it."""
        path = self._path(name)
        with plain_errors(path):
            path.unlink(missing_ok=True)
            remove_tree(self._entries / name, inside=self.root)

    def names(self, group: str) -> Iterator[str]:
        """Names of the entries directly in a group."""
        folder = self._entries / group
        if folder.is_dir():
            yield from (f"{group}/{path.stem}" for path in sorted(folder.glob("*.json")))

    def all_names(self) -> Iterator[str]:
        """Names of all entries, in order; those that are still being written are none."""
        for file in sorted(self._entries.rglob("*.json")):
            if not file.name.startswith("."):
                yield file.relative_to(self._entries).as_posix().removesuffix(".json")

    def _path(self, name: str) -> Path:
        return self._entries / f"{name}.json"

    def _relative(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()

    def _read(self, name: str) -> dict[str, Any] | None:
        """Read an entry; one that is torn or not ours counts for nothing."""
        path = self._path(name)
        try:
            if not path.is_file():
                return None
            entry = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(entry, dict):
            return None
        entry.setdefault("sizes", {})  # entries of 0.1.0 name none
        wanted = ("parts", "files", "sizes", "notes")
        whole = all(isinstance(entry.get(key), dict) for key in wanted)
        return entry if whole and all(map(_stays_inside, entry["files"])) else None


def _stays_inside(name: str) -> bool:
    """Whether a file's name in an entry is one that `enter` writes: relative and below."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def file_digest(file: Path, *, size: int | None = None) -> str | None:
    """SHA-256 of a file's bytes; None where there is no readable regular file.

    One that has not the `size` that it should have, where that is known, is not read: the answer
    then is no digest.
    """
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if size is not None and status.st_size != size:
            return f"{status.st_size} bytes"
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
