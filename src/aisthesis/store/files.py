"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from aisthesis.errors import AisthesisError, RequestError
from aisthesis.store.whole import whole_file

__all__ = [
    "plain_errors",
    "read_json",
    "refuse_overwriting",
    "remove_tree",
    "sync",
    "sync_names",
    "write_csv",
    "write_csv_parts",
    "write_json",
    "write_text",
]

_REASONS = {
    errno.ENOSPC: "there is no room left on the disk; free some and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some and run the same command again",
    errno.EACCES: "it may not be written to; choose another folder or change its permissions",
    errno.EPERM: "it may not be written to; choose another folder or change its permissions",
    errno.EROFS: "its disk is read-only; choose another folder",
}


#: Changes of a folder that are as near to each other as this may bear the same time.
_SAME_TIME_NS = 100_000_000
_flushed: dict[tuple[int, int], int] = {}  # time of a folder's last change, when it was flushed


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write `path` into one sentence that says what to do."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, str(error))
        kind = RequestError if error.errno in (errno.EACCES, errno.EPERM) else AisthesisError
        raise kind(f"cannot write {path}: {reason}") from error
    except SafetensorError as error:
        # It says what the system said in words alone.
        found = re.search(r"os error (\d+)", str(error))
        reason = _REASONS.get(int(found[1]) if found else 0, str(error))
        raise AisthesisError(f"cannot write {path}: {reason}") from error


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """Open a file under a temporary name; once written, flush it to the disk and rename it."""
    with (
        plain_errors(path),
        whole_file(path) as partial,
        partial.open("x", encoding="utf-8", newline="") as file,
    ):
        yield file
        file.flush()
        os.fsync(file.fileno())


def remove_tree(path: Path, *, inside: Path) -> None:
    """Delete a folder and all that is in it, if it is there; links in it are not followed.

    Every recursive deletion of the library is this one.

    Parameters
    ----------
    path : Path
        What goes.
    inside : Path
        The study's folder (or another that is known to be ours): `path` has to be strictly inside
        it once every link on the way is followed, and may not itself be a link.

    Raises
    ------
    AisthesisError
        If it is not; nothing is deleted then, or a file may not be deleted.
    """
    real, folder = path.parent.resolve() / path.name, inside.resolve()
    # `..` and `.` are names too: what they lead to is not what they are inside of.
    if path.name in ("", ".", "..") or folder not in real.parents:
        raise AisthesisError(
            f"{path} is not inside the folder {inside}, so it is not deleted; is there a link on "
            "the way? Remove the link, or choose another folder"
        )
    if path.is_symlink():
        raise AisthesisError(
            f"{path} is a link, which a study does not make, so what it leads to is not deleted; "
            "remove the link"
        )
    with plain_errors(path):
        while path.exists():
            try:
                shutil.rmtree(path)
            except FileNotFoundError:  # another worker deletes it too
                continue
            except NotADirectoryError:
                path.unlink(missing_ok=True)


def refuse_overwriting(path: Path, columns: Sequence[str]) -> None:
    """Refuse to overwrite a file that is not a table with just these columns, as we write it.

    Raises
    ------
    RequestError
        If there is another file, or a folder.
    """
    if not path.exists():
        return
    header = ",".join(columns).encode() + b"\n"
    if path.is_file():
        with plain_errors(path), path.open("rb") as file:
            if file.read(len(header)) == header:
                return
    raise RequestError(
        f"{path} is already there and was not written by this command; give another name, or "
        "--force to overwrite it"
    )


def sync(files: Iterable[Path], root: Path) -> None:
    """Flush files that are there to the disk, and the folders up to `root` that name them."""
    files = list(files)
    for file in files:
        if file.is_file():
            with plain_errors(file), file.open("rb+") as opened:
                os.fsync(opened.fileno())
    sync_names(files, root)


def sync_names(files: Iterable[Path], root: Path) -> None:
    """Flush the folders up to `root` that name files, where this system can."""
    if os.name == "nt":
        return
    folders: set[Path] = set()
    for file in files:
        folders |= {folder for folder in file.parents if folder == root or root in folder.parents}
    for folder in sorted(folders, reverse=True):
        if folder.is_dir():
            with plain_errors(folder):
                _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Flush a folder, unless this process has and no name in it has changed since."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        held = os.fstat(descriptor)
        which, changed = (held.st_dev, held.st_ino), held.st_mtime_ns
        if _flushed.get(which) == changed:
            return
        os.fsync(descriptor)
        if time.time_ns() - changed > _SAME_TIME_NS:
            _flushed[which] = changed
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole: under a temporary name, flushed to the disk, then renamed."""
    with _whole(path) as file:
        file.write(text)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table with nine significant digits; an undefined value is an empty cell.

    Values far from zero for their spread have as many more as nine of the spread take.
    """
    write_csv_parts(path, lambda: [table])


def write_csv_parts(path: Path, parts: Callable[[], Iterable[pd.DataFrame]]) -> None:
    """Write a table that is too large to be held, as `write_csv` would write it.

    Parameters
    ----------
    path : Path
        The file.
    parts : callable
        Gives the table's rows a part at a time, at least one, with the same columns each. It is
        called twice: how many digits a column takes depends on all of its values.
    """
    spread: dict[str, _Spread] = {}
    for part in parts():
        for name in part:
            if pd.api.types.is_float_dtype(part[name].dtype):
                spread.setdefault(str(name), _Spread()).add(part[name])
    far = [name for name, one in spread.items() if one.is_far]
    with _whole(path) as file:
        for number, part in enumerate(parts()):
            full = {name: _in_full(part[name]) for name in far}
            part.assign(**full).to_csv(
                file, index=False, header=not number, float_format="%.9g", lineterminator="\n"
            )


@dataclass
class _Spread:
    """Number, least, greatest and largest magnitude of the finite values of a column."""

    n: int = 0
    low: float = np.inf
    high: float = -np.inf

    def add(self, column: pd.Series[Any]) -> None:
        finite = column[np.isfinite(column)]
        if len(finite):
            self.n += len(finite)
            self.low = min(self.low, float(finite.min()))
            self.high = max(self.high, float(finite.max()))

    @property
    def is_far(self) -> bool:
        """Whether nine digits of each value are fewer than six of the values' spread."""
        largest = max(abs(self.low), abs(self.high))
        return self.n > 1 and 0 < self.high - self.low < 1e-3 * largest


def _in_full(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.map(lambda value: "" if np.isnan(value) else repr(float(value)))


def write_json(path: Path, content: Any) -> None:
    """Write JSON that a person can read; NaN is not allowed in it."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; an absent one is an empty object.

    Raises
    ------
    AisthesisError
        If the file is there but is not JSON.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AisthesisError(
            f"{path} is damaged ({error}); delete it and run the study again"
        ) from error
