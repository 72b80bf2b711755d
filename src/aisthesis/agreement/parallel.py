"""Pieces of work on the processor's cores: one thread a piece, not many threads an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

__all__ = ["in_threads", "one_thread_an_operation"]

Item = TypeVar("Item")


@contextmanager
def one_thread_an_operation() -> Iterator[int]:
    """Let torch run each operation in the thread that asks for it; give its threads before.

    The operations on a few maps are so short that handing them out costs as much as they do, and
    far more where other processes want the same cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def in_threads(work: Callable[[Item], None], items: Sequence[Item]) -> Iterator[Item]:
    """Do the work on each item in as many threads as torch has; give items when done, in order.

    torch and NumPy let go of the interpreter while they compute. Results are the same for any
    number of threads. The first error ends the work.
    """
    with one_thread_an_operation() as threads:
        if threads == 1 or len(items) < 2:
            for item in items:
                work(item)
                yield item
            return
        with ThreadPoolExecutor(min(threads, len(items))) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for item, future in zip(items, futures, strict=True):
                    future.result()
                    yield item
            finally:
                pool.shutdown(cancel_futures=True)
