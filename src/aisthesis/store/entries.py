"""What may lie in a study's folder: files and folders alone, of a size that a study writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from aisthesis.errors import RequestError
from aisthesis.store.declared import too_large

__all__ = ["check_entries"]

_MEGABYTE = 1 << 20
#: Far above what a study writes, and far below what would be read for ever.
_MOST_BYTES = {".toml": 16 * _MEGABYTE, ".json": 256 * _MEGABYTE, ".csv": 8192 * _MEGABYTE}
_MOST_BYTES_ELSE = 65536 * _MEGABYTE
_SHOWN = 3


def check_entries(root: Path, *, follow_links: bool = False) -> None:
    """Refuse a study's folder in which something is neither a file nor a folder, or is a bomb.

    Nothing is opened but headers of arrays. A link could lead whatever is written, deleted or
    read out of the folder, and a pipe or a device is read for ever. The folder itself may be
    reached through a link.

    Parameters
    ----------
    root : Path
        The study's folder; one that is not there is fine.
    follow_links : bool
        Whether links in it are its owner's own: then they are followed, wherever they lead, and
        what they lead to has to be files and folders.

    Raises
    ------
    RequestError
        With the first of them.
    """
    found = list(_faults(root, follow_links))
    if found:
        more = f"; and {len(found) - _SHOWN} more like it" if len(found) > _SHOWN else ""
        raise RequestError("; ".join(found[:_SHOWN]) + more)


def _faults(root: Path, follow_links: bool) -> Iterator[str]:
    waiting, known = [root], set()
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield f"{folder} cannot be looked into: {error.strerror or error}"
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.is_symlink() and not follow_links:
                yield (
                    f"{path} is a link, which a study does not make: what it leads to is not "
                    "touched; remove it, or say --follow-links if you made it yourself"
                )
                continue
            try:
                status = entry.stat()
            except OSError as error:
                yield f"{path} leads nowhere ({error.strerror or error}); remove it"
                continue
            place = (status.st_dev, status.st_ino)
            if stat.S_ISDIR(status.st_mode) and place not in known:
                known.add(place)
                waiting.append(path)
            yield from _fault(path, status)


def _fault(path: Path, status: os.stat_result) -> Iterator[str]:
    """Say what is wrong with what lies under a path, if anything."""
    if stat.S_ISDIR(status.st_mode):
        return
    if not stat.S_ISREG(status.st_mode):
        yield (
            f"{path} is a pipe, a socket or a device, which a study does not make and which may "
            "be read for ever; remove it"
        )
        return
    most = _MOST_BYTES.get(path.suffix, _MOST_BYTES_ELSE)
    if status.st_size > most:
        yield (
            f"{path} has {status.st_size / 1e6:,.0f} MB, and no study writes more than "
            f"{most / 1e6:,.0f} MB there; remove it"
        )
    elif bomb := too_large(path):
        yield bomb
    if path.name == ".lock" and status.st_nlink > 1:
        # The lock is emptied when it is taken.
        yield f"{path} is also a file elsewhere (a hard link); remove it"
