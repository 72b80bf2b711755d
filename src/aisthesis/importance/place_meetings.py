"""Where windows of a map end: a global pool, a linear layer behind a flattening, or a whole map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from aisthesis.importance.analysis import Analysis
from aisthesis.importance.deltas import Cast
from aisthesis.importance.place_grid import PlaceGrid
from aisthesis.importance.place_local import Local, local_operations
from aisthesis.importance.place_local_run import Windows
from aisthesis.importance.place_sums import summed_axes

__all__ = ["Meeting", "meetings"]

_FLATTENING = ("flatten", "reshape", "view")
_OUTPUTS_AT_ONCE = 256


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

    def change(self, windows: Windows, places: np.ndarray, grid: PlaceGrid, cast: Cast) -> Tensor:
        """Change (P, N, ...) of the result for some places.

        Parameters
        ----------
        windows
            Of the source, in the precision wanted.
        places : (P,)
            Their numbers.
        grid
            They lie on.
        cast
            Brings weights to the precision of the computation.
        """
        if self.sides is None:
            sums = windows.change.sum((3, 4)) * self.scale
            return sums.reshape(len(places), *self.shape)
        cells = _cells(windows, self.sides, places, grid, self.shape)
        return _products(cells, cast(self.module.weight), windows.change, self.shape)


@dataclass(frozen=True)
class _Cell:
    """Changes of one cell of a map: own (U, N, C), and which of them (P',) some places cause."""

    number: int
    own: Tensor
    places: Tensor
    of: Tensor


def _cells(
    windows: Windows,
    sides: tuple[np.ndarray, np.ndarray],
    places: np.ndarray,
    grid: PlaceGrid,
    shape: torch.Size,
) -> list[_Cell]:
    """Each cell's changes, once for all places that change it alike."""
    change, starts = windows.change, windows.starts
    row, column = places // grid.width, places % grid.width
    found = []
    for cell in range(shape[2] * shape[3]):
        y, x = divmod(cell, shape[3])
        down, right = y - starts[0], x - starts[1]
        reached = (down >= 0) & (down < change.shape[3]) & (right >= 0) & (right < change.shape[4])
        chosen = np.flatnonzero(reached)
        if not len(chosen):
            continue
        alike = np.stack([sides[0][row[chosen], y], sides[1][column[chosen], x]], 1)
        _, one, of = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        first, at_y, at_x, index, which = (
            torch.as_tensor(part, device=change.device)
            for part in (chosen[one], down[chosen[one]], right[chosen[one]], chosen, of.reshape(-1))
        )
        own = change.permute(0, 3, 4, 1, 2)[first, at_y, at_x]
        found.append(_Cell(cell, own, index, which))
    return found


def _products(cells: list[_Cell], weight: Tensor, change: Tensor, shape: torch.Size) -> Tensor:
    """Each cell's changes times its own columns of a linear layer, summed, (P, N, O).

    Columns of a cell lie far apart, so they are gathered, but for some outputs at a time: a copy
    of the whole layer would take longer than the products.
    """
    by_cell = weight.view(-1, shape[1], shape[2] * shape[3])  # (O, C, H·W)
    total = change.new_zeros(*change.shape[:2], len(by_cell))
    buffer = change.new_empty(by_cell.shape[2], _OUTPUTS_AT_ONCE, shape[1])
    for start in range(0, len(by_cell), _OUTPUTS_AT_ONCE):
        some = by_cell[start : start + _OUTPUTS_AT_ONCE]
        columns = buffer[:, : len(some)].copy_(some.permute(2, 0, 1))
        result = total[:, :, start : start + len(some)]
        for cell in cells:
            product = cell.own @ columns[cell.number].mT
            result.index_add_(0, cell.places, product[cell.of])
    return total


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
