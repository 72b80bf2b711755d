"""Where windows of a map end: a global pool, a linear layer behind a flattening, or a whole map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.deltas import Cast
from aisthesis.ablation.places.grid import PlaceGrid
from aisthesis.ablation.places.local import Local, local_operations
from aisthesis.ablation.places.local_run import Windows, joined
from aisthesis.ablation.places.patches import Index, channels_last
from aisthesis.ablation.sums import summed_axes

__all__ = ["Meeting", "meetings"]

_FLATTENING = ("flatten", "reshape", "view")
_OUTPUTS_AT_ONCE = 256
_WORTH_SHARING = 0.5  # share of the cells' changes that differ, below which each is done once


@dataclass(frozen=True)
class Meeting:
    """An operation whose change follows from windows of a map, without the map.

    Attributes
    ----------
    node, source
        The operation, and the local operation whose windows it reads.
    kind : {"pool", "block"}
        A mean or sum over the map, or a linear layer in which each cell has its own columns.
    module
        The linear layer.
    scale
        Of a pool's sum.
    shape
        Of the result, or for a block of the map.
    sides : ((h, H) int, (w, W) int)
        For a block: what a cell's row (column) has in common with the window of a place's row
        (column), numbered. Cells with the same number change alike.
    """

    node: fx.Node
    source: fx.Node
    kind: str
    module: Any
    scale: float
    shape: torch.Size
    sides: tuple[np.ndarray, np.ndarray] | None = None

    def change(
        self, parts: list[Windows], places: np.ndarray, grid: PlaceGrid, cast: Cast
    ) -> Tensor:
        """Change (P, N, ...) of the result for some places.

        Parameters
        ----------
        parts
            Windows of the source, in the precision wanted, in order of the places.
        places : (P,)
            Their numbers.
        grid
            They lie on.
        cast
            Brings weights to the precision of the computation.
        """
        if self.sides is None:
            sums = torch.cat([part.change.sum((3, 4)) for part in parts]) * self.scale
            return sums.reshape(len(places), *self.shape)
        weight = cast(self.module.weight)
        together = joined(parts)
        cells = _cells(together.starts, together.change, self.sides, places, grid, self.shape)
        different = sum(len(cell.one) for cell in cells)
        every = sum(len(part.change) * part.change[0, 0, 0].numel() for part in parts)
        if different < _WORTH_SHARING * every:
            return _by_cell(cells, weight, together.change, self.shape)
        return _by_window(parts, weight, self.shape)


@dataclass(frozen=True)
class _Cell:
    """Where one cell of a map changes.

    `one` (U,) are positions of places that change it in different ways, and `down`, `right` where
    the cell lies in their windows; `places` (P',) are all that change it, in the way `of` (P',).
    """

    number: int
    one: np.ndarray
    down: np.ndarray
    right: np.ndarray
    places: Tensor
    of: Tensor


def _cells(
    starts: tuple[Index, Index],
    change: Tensor,
    sides: tuple[np.ndarray, np.ndarray],
    places: np.ndarray,
    grid: PlaceGrid,
    shape: torch.Size,
) -> list[_Cell]:
    """Each cell's changes, once for all places that change it alike."""
    row, column = places // grid.width, places % grid.width
    found = []
    for number in range(shape[2] * shape[3]):
        y, x = divmod(number, shape[3])
        down, right = y - starts[0], x - starts[1]
        reached = (down >= 0) & (down < change.shape[3]) & (right >= 0) & (right < change.shape[4])
        chosen = np.flatnonzero(reached)
        if not len(chosen):
            continue
        alike = np.stack([sides[0][row[chosen], y], sides[1][column[chosen], x]], 1)
        _, one, of = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        one = chosen[one]
        index, which = (torch.as_tensor(p, device=change.device) for p in (chosen, of.reshape(-1)))
        found.append(_Cell(number, one, down[one], right[one], index, which))
    return found


def _by_cell(cells: list[_Cell], weight: Tensor, change: Tensor, shape: torch.Size) -> Tensor:
    """Each cell's changes times its own columns of a linear layer, summed, (P, N, O)."""
    total = change.new_zeros(*change.shape[:2], len(weight))
    windows = change.permute(0, 3, 4, 1, 2)
    own = [windows[cell.one, cell.down, cell.right] for cell in cells]  # (U, N, C) each
    for outputs, columns in _columns(weight, shape):
        result = total[:, :, outputs]
        for cell, changes in zip(cells, own, strict=True):
            product = changes @ columns[cell.number].mT
            result.index_add_(0, cell.places, product[cell.of])
    return total


def _by_window(parts: list[Windows], weight: Tensor, shape: torch.Size) -> Tensor:
    """Each window's cells times their own columns, summed, (P, N, O)."""
    blocks = []  # positions of places, numbers of cells, and (P'·N, cells, C) of them
    first = 0
    for part in parts:
        windows = channels_last(part.change)  # (P, N, h, w, C)
        kinds, of = np.unique(np.stack(part.starts, 1), axis=0, return_inverse=True)
        for number, (y, x) in enumerate(kinds.tolist()):
            chosen = np.flatnonzero(of.reshape(-1) == number)
            at = torch.as_tensor(chosen, device=windows.device)
            rows = windows[at, :, : shape[2] - y, : shape[3] - x]  # filled up, they may stick out
            cells = [
                (y + down) * shape[3] + x + right
                for down in range(rows.shape[2])
                for right in range(rows.shape[3])
            ]
            blocks.append((first + at, cells, rows.flatten(0, 1).flatten(1, 2)))
        first += len(windows)
    images = parts[0].change.shape[1]
    total = parts[0].change.new_zeros(first, images, len(weight))
    for outputs, columns in _columns(weight, shape):
        for index, cells, own in blocks:
            result = own.new_zeros(len(own), columns.shape[1])
            for position, cell in enumerate(cells):
                result.addmm_(own[:, position], columns[cell].mT)
            total[index, :, outputs] = result.unflatten(0, (-1, images))
    return total


def _columns(weight: Tensor, shape: torch.Size) -> Iterator[tuple[slice, Tensor]]:
    """Columns of a linear layer by cell, (H·W, outputs, C), for some of its outputs at a time.

    Columns of a cell lie far apart, so they are gathered; a copy of the whole layer would take
    longer than the products. The memory is used again for the next outputs.
    """
    cells = shape[2] * shape[3]
    buffer = weight.new_empty(cells * _OUTPUTS_AT_ONCE * shape[1])
    for start in range(0, len(weight), _OUTPUTS_AT_ONCE):
        some = weight[start : start + _OUTPUTS_AT_ONCE].reshape(-1, cells)
        columns = buffer[: some.numel()].view(cells, -1).copy_(some.t())  # fast for two axes only
        count = len(some) // shape[1]
        yield slice(start, start + count), columns.view(cells, count, shape[1])


def meetings(
    analysis: Analysis, grid: PlaceGrid, window: int, steps: dict[fx.Node, Local]
) -> dict[fx.Node, Meeting]:
    """Operations after the local ones that need their windows only."""
    found = {}
    single = local_operations(analysis, grid, 1) if steps else {}
    for node in analysis.mixing:
        if node in steps or len(node.all_input_nodes) != 1:
            continue
        (source,) = node.all_input_nodes
        operation = analysis.affected[node].operation
        if source in steps:
            summed = summed_axes(node, analysis)
            if summed is not None and summed[0] == (2, 3):
                shape = analysis.shapes[node]
                found[node] = Meeting(node, source, "pool", None, summed[1], shape)
        elif operation.name == "linear" and operation.module is not None:
            origin = _flattened(source, analysis, steps)
            if origin is not None and origin in single:
                sides = _sides(single[origin], analysis.shapes[origin], grid, window)
                found[node] = Meeting(
                    node, origin, "block", operation.module, 1.0, analysis.shapes[origin], sides
                )
    return found


def _flattened(node: fx.Node, analysis: Analysis, steps: dict[fx.Node, Local]) -> fx.Node | None:
    """The local operation whose map a value holds flattened, (N, C·H·W)."""
    while node in analysis.affected and len(node.all_input_nodes) == 1:
        (source,) = node.all_input_nodes
        name = analysis.affected[node].operation.name
        shape, before = analysis.shapes.get(node), analysis.shapes.get(source)
        if shape is None or before is None:
            return None
        if name in _FLATTENING and source in steps:
            flat = len(shape) == 2 and shape[0] == before[0]
            return source if flat else None
        if name not in ("dropout", "identity") or shape != before:
            return None
        node = source
    return None


def _sides(
    single: Local, shape: torch.Size, grid: PlaceGrid, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Along both axes: which of the places that a cell depends on are removed, numbered."""
    numbers = []
    for span, places, cells in zip(single.spans, (grid.height, grid.width), shape[2:], strict=True):
        offset = np.arange(cells) - span.start[:, None]  # (places, cells)
        depends = (offset >= 0) & (offset < span.length)
        near = np.abs(np.subtract.outer(np.arange(places), np.arange(places))) <= window // 2
        common = (near[:, None, :] & depends.T[None]).reshape(-1, places)
        numbers.append(
            np.unique(common, axis=0, return_inverse=True)[1].reshape(places, int(cells))
        )
    return numbers[0], numbers[1]
