"""Work done in a few threads ahead of whoever needs its results."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["map_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 4


def map_ahead(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int,
    workers: int | None = None,
) -> Generator[Result, None, None]:
    """Yield `work(item)` in the order of the items, worked on in threads up to `ahead` early.

    Parameters
    ----------
    work
        Called in a thread. What it raises is raised here, at its item's turn.
    ahead
        At most so many results wait or are worked on: the bound on memory.
    workers
        Threads; by default one a core, four at most. Decoders leave Python's lock while they work.
    """
    workers = workers or min(_MOST_THREADS, _usable_cores())
    items = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="aisthesis-images")
    try:
        waiting: deque[Future[Result]] = deque(
            pool.submit(work, item) for item in islice(items, max(ahead, 1))
        )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(items, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
