"""Operations in which a removed place reaches a window of cells only, and those windows.

Convolutions, pools, what works entry by entry, sums and concatenations of maps are local. Windows
of one map are equally large and one for each place; they may stick out of the map, where nothing
changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.ops import ENTRYWISE, ENTRYWISE_MODULES
from aisthesis.ablation.owners import Step
from aisthesis.ablation.places.grid import PlaceGrid
from aisthesis.ablation.places.owners import Placed, placed_result
from aisthesis.ablation.sliding import Options, Sliding, convolution_options, pool_options

__all__ = [
    "Local",
    "Span",
    "first_spans",
    "local_operations",
    "mean_share",
    "placed_map",
]

_MOST_OF_A_MAP = 0.7  # windows above this share of a map, on average, cost more than the map


@dataclass(frozen=True)
class Span:
    """Along one axis: `length` cells from `start` for every row, or column, of places."""

    start: NDArray[np.int64]
    length: int

    def through(self, sliding: Sliding) -> Span:
        """Cells of the result that read any of these."""
        first = -((sliding.reach - 1 - sliding.padding - self.start) // sliding.stride)
        last = (self.start + self.length - 1 + sliding.padding) // sliding.stride
        return Span(first, max(int((last - first).max()) + 1, 1))

    def joined(self, other: Span) -> Span:
        """Cells of both."""
        start = np.minimum(self.start, other.start)
        stop = np.maximum(self.start + self.length, other.start + other.length)
        return Span(start, int((stop - start).max()))

    def lengths(self, size: int) -> NDArray[np.int64]:
        """Cells of each window that lie in a map of that size."""
        return np.minimum(self.start + self.length, size) - np.maximum(self.start, 0)

    def narrowed(self, chosen: NDArray[np.int64], size: int) -> Span:
        """Windows in the map, no larger than those of some rows, or columns, of places need.

        They may hold more than the window of a place, where nothing changes; those that are not
        chosen mean nothing.
        """
        length = min(max(int(self.lengths(size)[chosen].max()), 1), size)
        return Span(np.clip(self.start, 0, size - length), length)


@dataclass(frozen=True)
class Local:
    """One local operation.

    Attributes
    ----------
    node : fx.Node
        Its call.
    kind : {"entrywise", "convolution", "pool", "sum", "cat"}
        How windows of the result are made.
    sources : tuple of fx.Node
        Affected maps (N, C, H, W) that it reads.
    axes : (Sliding, Sliding) or None
        How it slides over rows and columns.
    spans : (Span, Span)
        Windows of the result.
    """

    node: fx.Node
    kind: str
    sources: tuple[fx.Node, ...]
    axes: tuple[Sliding, Sliding] | None
    spans: tuple[Span, Span]


def placed_map(analysis: Analysis, node: fx.Node, grid: PlaceGrid) -> bool:
    """Whether a value is a map (N, C, h, w) whose cells are the places."""
    state, shape = analysis.states[node], analysis.shapes.get(node)
    if not isinstance(state, Placed) or shape is None or len(shape) != 4:
        return False
    labels = state.labels
    wanted = torch.arange(1, grid.count + 1).reshape(1, 1, grid.height, grid.width)
    return labels.shape == wanted.shape and bool((labels.cpu() == wanted).all())


def local_operations(analysis: Analysis, grid: PlaceGrid, window: int) -> dict[fx.Node, Local]:
    """Mixing operations of which windows are enough, in order."""
    found: dict[fx.Node, Local] = {}
    for node in analysis.mixing:
        affected = tuple(n for n in node.all_input_nodes if analysis.states[n] is not None)
        maps = (n in found or placed_map(analysis, n, grid) for n in affected)
        if len(analysis.shapes.get(node, ())) != 4 or not all(maps):
            continue
        way = _local(node, affected, analysis, grid, window, found)
        if way is not None and mean_share(way, analysis) <= _MOST_OF_A_MAP:
            found[node] = way
    return found


def first_spans(grid: PlaceGrid, window: int) -> tuple[Span, Span]:
    """The removed windows themselves."""
    rows, columns = (
        Span(np.arange(size) - window // 2, window) for size in (grid.height, grid.width)
    )
    return rows, columns


def _local(
    node: fx.Node,
    affected: tuple[fx.Node, ...],
    analysis: Analysis,
    grid: PlaceGrid,
    window: int,
    found: dict[fx.Node, Local],
) -> Local | None:
    operation = analysis.affected[node].operation
    name, module = operation.name, operation.module
    spans = [found[n].spans if n in found else first_spans(grid, window) for n in affected]
    if len(node.all_input_nodes) == 1:
        size_in = analysis.shapes[affected[0]][2:]
        size_out = analysis.shapes[node][2:]
        options: Options | None
        if name == "conv2d" and module is not None and module.padding_mode == "zeros":
            options, kind = convolution_options(module), "convolution"
        elif name in ("max_pool2d", "avg_pool2d"):
            options, kind = pool_options(node, module, name), "pool"
        elif _is_entrywise(node, analysis) and size_in == size_out:
            return Local(node, "entrywise", affected, None, spans[0])
        else:
            return None
        if options is None:
            return None
        axes = Sliding.along_both(options, size_in, size_out)
        reached = (spans[0][0].through(axes[0]), spans[0][1].through(axes[1]))
        return Local(node, kind, affected, axes, reached)
    joins = _joins(node, name, analysis)
    if joins is None:
        return None
    rows, columns = spans[0]
    for other in spans[1:]:
        rows, columns = rows.joined(other[0]), columns.joined(other[1])
    return Local(node, joins, affected, None, (rows, columns))


def _joins(node: fx.Node, name: str, analysis: Analysis) -> str | None:
    shapes = [analysis.shapes.get(n) for n in node.all_input_nodes]
    if name in ("add", "sub") and not node.kwargs and len(node.args) == 2:
        alike = all(shape == analysis.shapes[node] for shape in shapes)
        both = all(isinstance(argument, fx.Node) for argument in node.args)
        return "sum" if alike and both else None
    if name == "cat" and isinstance(node.args[0], list | tuple):
        dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        listed = node.args[0]
        if dim in (1, -3) and all(isinstance(part, fx.Node) for part in listed):
            return "cat"
    return None


def _is_entrywise(node: fx.Node, analysis: Analysis) -> bool:
    """Whether the operation's own rule says that it would keep places apart."""
    operation = analysis.affected[node].operation
    name = operation.name
    known = (
        name in ENTRYWISE
        or name.removeprefix("elementwise:") in ENTRYWISE_MODULES
        or name in ("batch_norm", "adaptive_avg_pool2d", "adaptive_max_pool2d")
    )
    if not known:
        return False
    (source,) = node.all_input_nodes
    own = Placed(torch.ones(1, 1, *analysis.shapes[source][2:], dtype=torch.int32))
    shape, size = analysis.shapes[node], analysis.shapes[source]
    values = {source: torch.empty(size, device="meta")}
    result = torch.empty(shape, device="meta")
    state = placed_result(Step(node, operation.module, name, {source: own}, values, result))
    return isinstance(state, Placed)


def mean_share(way: Local, analysis: Analysis) -> float:
    """Mean share of the map that lies in a window."""
    rows, columns = (
        float(span.lengths(size).mean()) / size
        for span, size in zip(way.spans, analysis.shapes[way.node][2:], strict=True)
    )
    return rows * columns
