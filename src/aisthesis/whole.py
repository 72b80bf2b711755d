"""A file that appears whole or not at all, under a name that nobody can have prepared."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write a file under; it becomes `path` at the end, and goes after an error.

    The name is in the same folder, ends like `path` and cannot be guessed, so that no link or
    file of somebody else waits under it. What lies at `path`, a link say, is replaced and not
    written through.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
