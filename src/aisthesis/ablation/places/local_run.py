"""Changes of local operations, computed in windows for many places at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.deltas import Cast
from aisthesis.ablation.ops import argument
from aisthesis.ablation.places.grid import PlaceGrid
from aisthesis.ablation.places.local import Local, Span, first_spans
from aisthesis.ablation.places.patches import Index, channels_last, patches_of, placed_at
from aisthesis.ablation.winograd import Axis, convolved, kernel_at_points, suits

__all__ = ["LocalRun", "Windows", "joined"]

_WORTH_A_GROUP = 0.92  # share of the work that has to be left for windows of two sizes to pay


@dataclass(frozen=True)
class Windows:
    """Changes (P, N, C, h, w) of windows of a map, and where the windows start."""

    change: Tensor
    starts: tuple[Index, Index]

    def whole(self, shape: torch.Size) -> Tensor:
        """Changes (P, N, C, H, W) of the map."""
        return placed_at(self.change, self.starts, (shape[2], shape[3]))


def joined(parts: list[Windows]) -> Windows:
    """Windows of several pieces of the places, in order; small ones are filled up."""
    if len(parts) == 1:
        return parts[0]
    rows, columns = (np.concatenate([part.starts[axis] for part in parts]) for axis in (0, 1))
    sizes = tuple(max(part.change.shape[axis] for part in parts) for axis in (3, 4))
    images, channels = parts[0].change.shape[1:3]
    change = parts[0].change.new_zeros(len(rows), images, *sizes, channels).movedim(4, 2)
    first = 0
    for part in parts:
        own = part.change
        change[first : first + len(own), :, :, : own.shape[3], : own.shape[4]] = own
        first += len(own)
    return Windows(change, (rows, columns))


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
    _kernels: dict[fx.Node, Tensor] = field(default_factory=dict, repr=False)

    def alike(self, places: np.ndarray) -> list[np.ndarray]:
        """Positions of places in groups whose windows are about as large: less at the edges."""
        if not self.steps:
            return [np.arange(len(places))]
        largest = max(self.steps, key=lambda node: self.analysis.flops[node])
        spans, sizes = self.steps[largest].spans, self.analysis.shapes[largest][2:]
        low, narrow = (
            _near_edge(span.lengths(size)) for span, size in zip(spans, sizes, strict=True)
        )
        kind = 2 * low[places // self.grid.width] + narrow[places % self.grid.width]
        groups = [np.flatnonzero(kind == number) for number in range(4)]
        return [group for group in groups if len(group)]

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
        starts, sizes = self._narrowed(step.spans, self.analysis.shapes[step.node], places)
        if step.kind == "entrywise":
            change = self._entrywise(step, held[step.sources[0]], dtype)
        elif step.kind in ("sum", "cat"):
            change = self._joined(step, held, starts, sizes, dtype)
        else:
            change = self._slid(step, held[step.sources[0]], starts, sizes, dtype)
        return Windows(change, starts)

    def _narrowed(
        self, spans: tuple[Span, Span], shape: Sequence[int], places: np.ndarray
    ) -> tuple[tuple[Index, Index], tuple[int, int]]:
        """Where the windows of some places start in a map, and their size."""
        at = (places // self.grid.width, places % self.grid.width)
        rows, columns = (
            span.narrowed(own, size) for span, own, size in zip(spans, at, shape[2:], strict=True)
        )
        return (rows.start[at[0]], columns.start[at[1]]), (rows.length, columns.length)

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
        starts, sizes = self._narrowed(spans, self.analysis.shapes[source], places)
        change = patches_of(self.placed[source], starts, sizes)
        removed = []
        for span, start, size, at in zip(
            spans, starts, sizes, (places // self.grid.width, places % self.grid.width), strict=True
        ):
            cells = start[:, None] + np.arange(size) - span.start[at][:, None]
            removed.append(torch.as_tensor((cells >= 0) & (cells < span.length)))
        together = (removed[0][:, :, None] & removed[1][:, None, :])[:, None, None]
        if not bool(together.all()):
            change = torch.where(together.to(change.device), change, 0.0)
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
        sizes: tuple[int, int],
        dtype: torch.dtype | None,
    ) -> Tensor:
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
        self,
        step: Local,
        held: Windows,
        starts: tuple[Index, Index],
        sizes: tuple[int, int],
        dtype: torch.dtype | None,
    ) -> Tensor:
        rows, columns = step.axes  # type: ignore[misc]
        first = (
            starts[0] * rows.stride - rows.padding,
            starts[1] * columns.stride - columns.padding,
        )
        shifts = (held.starts[0] - first[0], held.starts[1] - first[1])
        operation = self.analysis.affected[step.node].operation
        if step.kind == "convolution" and suits(operation.name, operation.module, dtype):
            return self._tiled(step, held.change, shifts, sizes, dtype)
        read = (rows.cells_read(sizes[0]), columns.cells_read(sizes[1]))
        moved = placed_at(held.change, shifts, read)
        if step.kind == "convolution":
            module: Any = operation.module
            weight, options = self.caster(dtype)(module.weight), (module.dilation, module.groups)
            result = F.conv2d(moved.flatten(0, 1), weight, None, module.stride, 0, *options)
            return result.unflatten(0, moved.shape[:2])
        return self._pooled(step, moved, first, starts, sizes, dtype)

    def _tiled(
        self,
        step: Local,
        change: Tensor,
        shifts: tuple[Index, Index],
        sizes: tuple[int, int],
        dtype: torch.dtype | None,
    ) -> Tensor:
        if step.node not in self._kernels:
            module: Any = self.analysis.affected[step.node].operation.module
            self._kernels[step.node] = kernel_at_points(self.caster(dtype)(module.weight))
        x = channels_last(change)
        axes = (Axis(sizes[0]), Axis(sizes[1]))
        evaluations = []
        for axis, shift, cells in zip(axes, shifts, x.shape[2:4], strict=True):
            kinds, of = np.unique(shift, return_inverse=True)
            every = np.stack([axis.evaluation(int(kind), cells) for kind in kinds])
            own = torch.as_tensor(every[of.reshape(-1)], dtype=x.dtype)
            evaluations.append(own.repeat_interleave(x.shape[1], 0))
        result = convolved(
            x.flatten(0, 1), self._kernels[step.node], axes, (evaluations[0], evaluations[1])
        )
        return result.unflatten(0, x.shape[:2]).movedim(4, 2)

    def _pooled(
        self,
        step: Local,
        moved: Tensor,
        first: tuple[Index, Index],
        starts: tuple[Index, Index],
        sizes: tuple[int, int],
        dtype: torch.dtype | None,
    ) -> Tensor:
        rows, columns = step.axes  # type: ignore[misc]
        operation = self.analysis.affected[step.node].operation
        kernel = argument(step.node, operation.module, 1, "kernel_size")
        stride = (rows.stride, columns.stride)
        shape, read = moved.shape[:2], (moved.shape[3], moved.shape[4])
        if operation.name == "avg_pool2d":
            return F.avg_pool2d(moved.flatten(0, 1), kernel, stride).unflatten(0, shape)
        base = patches_of(self.value(step.sources[0], dtype), first, read, float("-inf"))
        dilation = (rows.dilation, columns.dilation)
        after = F.max_pool2d((base + moved).flatten(0, 1), kernel, stride, 0, dilation)
        return after.unflatten(0, shape) - patches_of(self.value(step.node, dtype), starts, sizes)


def _near_edge(lengths: np.ndarray) -> np.ndarray:
    """Rows (or columns) of places to take by themselves, since their windows are smaller; bool."""
    largest = lengths.max()
    cost = {
        limit: (lengths <= limit).sum() * limit + (lengths > limit).sum() * largest
        for limit in set(lengths.tolist())
    }
    best = min(cost, key=lambda limit: cost[limit])
    return lengths <= best if cost[best] < _WORTH_A_GROUP * cost[largest] else lengths > largest
