"""Embeddings that need not fit into memory: rows on the disk, read as they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Embeddings", "RowsOnDisk", "in_blocks", "rows_of", "with_each_block"]

#: Bytes of rows that are read for one step of a sum over all of them.
_BYTES_AT_ONCE = 4 << 20
_ITEM = 4  # bytes of a float32


class RowsOnDisk:
    """(N, D) float32 in a file without a name, which is gone when nobody holds it any more.

    Indexing gives a tensor of the rows asked for. Memory is not mapped: what was read once would
    stay and count.

    Parameters
    ----------
    n, width : int
        Its shape.
    folder : Path
        On whose disk it lies.
    """

    def __init__(self, n: int, width: int, folder: Path) -> None:
        self.shape = (n, width)
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - held as long as this
        self._file.truncate(n * width * _ITEM)
        self._chosen: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def rows_at_once(self) -> int:
        """Rows that are read together where all are gone through."""
        return max(1, _BYTES_AT_ONCE // (self.shape[1] * _ITEM))

    def put(self, index: NDArray[np.intp], rows: NDArray[np.float32]) -> None:
        """Write rows at some places."""
        size = self.shape[1] * _ITEM
        for place, row in zip(index.tolist(), np.ascontiguousarray(rows, np.float32), strict=True):
            os.pwrite(self._file.fileno(), row.tobytes(), place * size)

    def take(self, index: NDArray[np.intp]) -> RowsOnDisk:
        """Give some of the rows, in the same file."""
        some = object.__new__(RowsOnDisk)
        some._file, some.shape = self._file, (len(index), self.shape[1])
        some._chosen = index if self._chosen is None else self._chosen[index]
        return some

    def __getitem__(self, index: Any) -> Tensor:
        """Read the rows of a slice or of an array of positions: (M, D)."""
        some = isinstance(index, slice)
        places = np.arange(*index.indices(len(self))) if some else np.asarray(index, dtype=np.intp)
        if self._chosen is not None:
            places = self._chosen[places]
        found = np.empty((len(places), self.shape[1]), dtype=np.float32)
        size = self.shape[1] * _ITEM
        # Runs of rows that lie one after the other are read at once.
        ends = np.flatnonzero(np.diff(places, append=-2) != 1) + 1
        start = 0
        for end in ends.tolist():
            at, length = int(places[start]) * size, (end - start) * size
            held = os.pread(self._file.fileno(), length, at)
            found[start:end] = np.frombuffer(held, np.float32).reshape(end - start, -1)
            start = end
        return torch.from_numpy(found)


#: (N, D) in memory or on the disk.
Embeddings = Tensor | RowsOnDisk


def rows_of(embeddings: Embeddings, index: NDArray[np.intp]) -> Embeddings:
    """Some rows of embeddings, where these lie."""
    return embeddings.take(index) if isinstance(embeddings, RowsOnDisk) else embeddings[index]


def in_blocks(embeddings: Embeddings, index: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Cut positions into blocks of rows that may be held: one block of rows in memory."""
    at_once = max(1, len(index))
    if isinstance(embeddings, RowsOnDisk):
        at_once = embeddings.rows_at_once
    for start in range(0, len(index), at_once):
        yield index[start : start + at_once]


@torch.no_grad()
def with_each_block(embeddings: Embeddings, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Join what a function gives of all rows, block by block."""
    if not isinstance(embeddings, RowsOnDisk):
        return work(embeddings)
    first, *others = in_blocks(embeddings, np.arange(len(embeddings)))
    found = work(embeddings[first])
    joined = found.new_empty((len(embeddings), *found.shape[1:]))  # parts kept apart scatter memory
    joined[first] = found
    for some in others:
        joined[some] = work(embeddings[some])
    return joined
