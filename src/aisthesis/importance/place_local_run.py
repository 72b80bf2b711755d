"""Changes of local operations, computed in windows for many places at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from aisthesis.importance.analysis import Analysis
from aisthesis.importance.deltas import Cast
from aisthesis.importance.ops import argument
from aisthesis.importance.place_grid import PlaceGrid
from aisthesis.importance.place_local import Local, first_spans
from aisthesis.importance.place_patches import Index, inside, patches_of, placed_at, single_shift

__all__ = ["LocalRun", "Windows", "joined"]


@dataclass(frozen=True)
class Windows:
    """Changes (P, N, C, h, w) of windows of a map, and where the windows start."""

    change: Tensor
    starts: tuple[Index, Index]

    def whole(self, shape: torch.Size) -> Tensor:
        """Changes (P, N, C, H, W) of the map."""
        return placed_at(self.change, self.starts, (shape[2], shape[3]))


def joined(parts: list[Windows]) -> Windows:
    """Windows of several pieces of the places, in order."""
    if len(parts) == 1:
        return parts[0]
    rows, columns = (np.concatenate([part.starts[axis] for part in parts]) for axis in (0, 1))
    return Windows(torch.cat([part.change for part in parts]), (rows, columns))


@dataclass(frozen=True)
class LocalRun:
    """The local operations of one batch.

    Attributes
    ----------
    analysis, grid, window, steps
        What is known of the network, what is removed, and the local operations.
    value
        Intact value of a node in a precision (None: the network's own).
    caster
        What brings parameters to a precision.
    placed
        Changes of values that keep places apart, with all places removed.
    """

    analysis: Analysis
    grid: PlaceGrid
    window: int
    steps: dict[fx.Node, Local]
    value: Callable[[fx.Node, torch.dtype | None], Tensor]
    caster: Callable[[torch.dtype | None], Cast]
    placed: dict[fx.Node, Any]

    def windows(self, places: np.ndarray) -> dict[fx.Node, Windows]:
        """Changes of every local operation that others read, for some places (P,)."""
        found: dict[fx.Node, Windows] = {}
        last = {source: node for node in self.steps for source in self.steps[node].sources}
        for node, step in self.steps.items():
            found[node] = self._through(step, places, found)
            for source in step.sources:
                if last[source] is node and all(user in self.steps for user in source.users):
                    found.pop(source, None)
        return found

    def _through(self, step: Local, places: np.ndarray, found: dict[fx.Node, Windows]) -> Windows:
        dtype = self.analysis.affected[step.node].dtype
        held = {source: self._held(source, places, found, dtype) for source in step.sources}
        starts = _starts(step.spans, places, self.grid)
        if step.kind == "entrywise":
            change = self._entrywise(step, held[step.sources[0]], dtype)
        elif step.kind in ("sum", "cat"):
            change = self._joined(step, held, starts, dtype)
        else:
            change = self._slid(step, held[step.sources[0]], starts, dtype)
        return Windows(change, starts)

    def _held(
        self,
        source: fx.Node,
        places: np.ndarray,
        found: dict[fx.Node, Windows],
        dtype: torch.dtype | None,
    ) -> Windows:
        own = self.analysis.dtypes[source] if dtype is None else dtype
        if source in found:
            return Windows(found[source].change.to(own), found[source].starts)
        spans = first_spans(self.grid, self.window)
        starts = _starts(spans, places, self.grid)
        change = patches_of(self.placed[source], starts, (self.window, self.window))
        return Windows(change.to(own), starts)

    def _entrywise(self, step: Local, held: Windows, dtype: torch.dtype | None) -> Tensor:
        operation = self.analysis.affected[step.node].operation
        if operation.name.startswith("adaptive"):  # a map of the same size: as it is
            return held.change
        (source,) = step.sources
        sizes = (held.change.shape[3], held.change.shape[4])
        base = patches_of(self.value(source, dtype), held.starts, sizes).flatten(0, 1)
        cast = self.caster(dtype)
        # what kernels do not read may be anything floating; others need the intact result
        known = operation.name in ("relu", "batch_norm", "identity", "dropout", "neg")
        result = base if known else operation.value({source: base}, cast)
        change = operation.change({source: base}, {source: held.change.flatten(0, 1)}, result, cast)
        return change.unflatten(0, held.change.shape[:2])

    def _joined(
        self,
        step: Local,
        held: dict[fx.Node, Windows],
        starts: tuple[Index, Index],
        dtype: torch.dtype | None,
    ) -> Tensor:
        sizes = (step.spans[0].length, step.spans[1].length)
        aligned = {
            source: placed_at(
                own.change, (own.starts[0] - starts[0], own.starts[1] - starts[1]), sizes
            )
            for source, own in held.items()
        }
        like = next(iter(aligned.values()))
        if step.kind == "sum":
            first, second = (aligned.get(part) for part in step.node.args)  # type: ignore[arg-type]
            if second is not None and self.analysis.affected[step.node].operation.name == "sub":
                second = -second
            if first is None or second is None:
                return first if second is None else second  # type: ignore[return-value]
            return first + second
        listed: Any = step.node.args[0]
        parts = [
            aligned[part]
            if part in aligned
            else like.new_zeros(*like.shape[:2], self.analysis.shapes[part][1], *sizes)
            for part in listed
        ]
        return torch.cat(parts, 2)

    def _slid(
        self, step: Local, held: Windows, starts: tuple[Index, Index], dtype: torch.dtype | None
    ) -> Tensor:
        rows, columns = step.axes  # type: ignore[misc]
        sizes = (step.spans[0].length, step.spans[1].length)
        first = (
            starts[0] * rows.stride - rows.padding,
            starts[1] * columns.stride - columns.padding,
        )
        read = (rows.cells_read(sizes[0]), columns.cells_read(sizes[1]))
        shifts = (held.starts[0] - first[0], held.starts[1] - first[1])
        if step.kind == "convolution":
            result = self._convolved(step, held.change, shifts, read, dtype)
        else:
            result = self._pooled(step, held.change, shifts, read, first, dtype)
        mask = inside(starts, sizes, self.analysis.shapes[step.node], result)
        return result if bool(mask.all()) else torch.where(mask, result, 0.0)

    def _convolved(
        self,
        step: Local,
        change: Tensor,
        shifts: tuple[Index, Index],
        read: tuple[int, int],
        dtype: torch.dtype | None,
    ) -> Tensor:
        module: Any = self.analysis.affected[step.node].operation.module
        weight = self.caster(dtype)(module.weight)
        padding, around = single_shift(shifts), (0, 0)
        if (
            padding is not None
            and min(padding) >= 0
            and all(
                2 * before + own == wanted
                for before, own, wanted in zip(padding, change.shape[3:], read, strict=True)
            )
        ):
            around = padding  # the convolution leaves out what it pads
        else:
            change = placed_at(change, shifts, read)
        result = F.conv2d(
            change.flatten(0, 1), weight, None, module.stride, around, module.dilation,
            module.groups,
        )  # fmt: skip
        return result.unflatten(0, change.shape[:2])

    def _pooled(
        self,
        step: Local,
        change: Tensor,
        shifts: tuple[Index, Index],
        read: tuple[int, int],
        first: tuple[Index, Index],
        dtype: torch.dtype | None,
    ) -> Tensor:
        rows, columns = step.axes  # type: ignore[misc]
        operation = self.analysis.affected[step.node].operation
        kernel = argument(step.node, operation.module, 1, "kernel_size")
        stride = (rows.stride, columns.stride)
        moved = placed_at(change, shifts, read)
        shape = moved.shape[:2]
        moved = moved.flatten(0, 1)
        if operation.name == "avg_pool2d":
            return F.avg_pool2d(moved, kernel, stride).unflatten(0, shape)
        base = patches_of(self.value(step.sources[0], dtype), first, read, float("-inf"))
        base = base.flatten(0, 1)
        dilation = (rows.dilation, columns.dilation)
        before = F.max_pool2d(base, kernel, stride, 0, dilation)
        after = F.max_pool2d(base + moved, kernel, stride, 0, dilation)
        return (after - before).unflatten(0, shape)


def _starts(spans: Any, places: np.ndarray, grid: PlaceGrid) -> tuple[Index, Index]:
    rows, columns = spans
    return rows.start[places // grid.width], columns.start[places % grid.width]
