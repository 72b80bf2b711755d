"""A file that appears whole or not at all, under a name that nobody can have prepared."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["sweep_partial", "whole_file"]

_BYTES = 8
_PARTIAL = re.compile(rf"\.[0-9a-f]{{{2 * _BYTES}}}\.partial(\.[^.]+)?")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write a file under; it becomes `path` at the end, and goes after an error.

    The name is in the same folder, ends like `path` and cannot be guessed, so that no link or
    file of somebody else waits under it. What lies at `path`, a link say, is replaced and not
    written through.
    """
    partial = path.with_name(f".{secrets.token_hex(_BYTES)}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sweep_partial(root: Path) -> None:
    """Delete what `whole_file` left in a folder when its process was killed.

    Nothing else is touched: regular files of such names alone, and no link is followed. Only for
    who knows that nobody else writes there.
    """
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            if _PARTIAL.fullmatch(name) and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)
