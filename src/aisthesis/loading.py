"""Large libraries, loaded faster: the collector does not go through them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["loading"]

#: Objects made between two collections; Python's own 700 make a fifth to a quarter of the time.
_BETWEEN = 100_000


@contextmanager
def loading() -> Iterator[None]:
    """Import large libraries in here: they make hundreds of thousands of objects, all to stay."""
    before = gc.get_threshold()
    gc.set_threshold(max(_BETWEEN, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
