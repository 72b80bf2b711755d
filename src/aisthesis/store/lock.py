"""One run at a time in a study's folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from aisthesis.errors import AisthesisError
from aisthesis.store.files import plain_errors, write_text
from aisthesis.store.whole import sweep_partial

__all__ = ["at_work", "folder_lock"]


@contextmanager
def folder_lock(root: Path) -> Iterator[None]:
    """Keep other runs out of a study's folder; the system lifts this when the process ends.

    Files that a killed run was writing are gone afterwards.

    Raises
    ------
    AisthesisError
        If another run is at work in it; the message says where and since when.
    """
    holder = root / ".lock.json"
    lock = FileLock(root / ".lock", timeout=0, mode=0o644)
    with plain_errors(root / ".lock"):
        try:
            lock.acquire()
        except Timeout:  # an OSError too, but not one of the disk
            raise AisthesisError(
                f"another run is at work in {root}{_who(holder)}; wait for it or stop it, then "
                "give the same command again"
            ) from None
    try:
        with plain_errors(root):
            sweep_partial(root)
        write_text(holder, json.dumps(_us()))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def at_work(root: Path) -> str:
    """Say who runs in a study's folder at the moment; empty where nobody does."""
    holder = root / ".lock.json"
    if not holder.is_file():
        return ""
    lock = FileLock(root / ".lock", timeout=0, mode=0o644)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return f"a run is at work{_who(holder)}"
    lock.release()  # whoever wrote the file was killed
    return ""


def _us() -> dict[str, str | int]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": os.getpid(), "machine": platform.node(), "since": now}


def _who(holder: Path) -> str:
    """Who holds the lock, as far as that can be read."""
    try:
        held = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {held['process']} on {held['machine']}, since {held['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
