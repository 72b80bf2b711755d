"""Tiles of positions, the windows that each tile computes again, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import fx

from aisthesis.ablation.sliding import Spans
from aisthesis.explainers.occlusion.local import LocalNetwork, Step

__all__ = ["Layout", "Tile", "Window", "cheapest_layout", "whole_passes"]

_ENTRY_COST = 20  # reading and writing one entry, in floating-point operations
_CALL_COST = 200_000  # starting one call, likewise
_TILE_SIDES = (4, 6, 8, 12, 16)


@dataclass(frozen=True)
class Window:
    """Equally long spans along one axis, one for each position of a tile: all inside the axis."""

    start: NDArray[np.int64]  # (positions of the tile,)
    length: int

    @classmethod
    def around(cls, spans: Spans, chosen: NDArray[np.intp], cells: int) -> Window:
        """Windows of the longest chosen span's length that hold each of the chosen spans."""
        length = min(int(spans.lengths[chosen].max()), cells)
        return cls(np.clip(spans.start[chosen], 0, cells - length), length)


@dataclass(frozen=True)
class Tile:
    """Some rows and some columns of the grid of positions; all their pairs are run together."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Masked images in the tile."""
        return len(self.rows) * len(self.columns)


@dataclass(frozen=True)
class Layout:
    """How the positions of one size of squares are run.

    Attributes
    ----------
    squares : (Spans, Spans)
        The squares' edges along rows and columns, in pixels.
    rows, columns : dict of fx.Node to Spans
        What every position reaches of every local value, along each axis.
    tiles : list of Tile
    cut : int
        So many of the network's first calls compute windows only; 0 for whole forward passes.
    cost, whole : float
        Of all tiles, and of one forward pass, in floating-point operations.
    """

    squares: tuple[Spans, Spans]
    rows: dict[fx.Node, Spans]
    columns: dict[fx.Node, Spans]
    tiles: list[Tile]
    cut: int
    cost: float
    whole: float

    @property
    def n(self) -> tuple[int, int]:
        """Positions along each axis."""
        return len(self.squares[0].start), len(self.squares[1].start)

    @property
    def passes(self) -> float:
        """Expected cost in forward passes of one image."""
        return self.cost / self.whole

    def windows(self, step: Step, tile: Tile) -> tuple[Window, Window]:
        """Windows of a step's result that a tile computes."""
        _, height, width = step.shape
        return (
            Window.around(self.rows[step.node], tile.rows, height),
            Window.around(self.columns[step.node], tile.columns, width),
        )


def _reach(steps: list[Step], squares: Spans, axis: int) -> dict[fx.Node, Spans]:
    """Follow the squares through the local operations along one axis."""
    reached: dict[fx.Node, Spans] = {}
    for step in steps:
        if step.kind == "input":
            reached[step.node] = squares
            continue
        spans = reached[step.sources[0]]
        for source in step.sources[1:]:
            spans = spans.union(reached[source])
        reached[step.node] = step.axes[axis].reached(spans) if step.axes else spans
    return reached


def _alike(reached: dict[fx.Node, Spans], n: int) -> NDArray[np.intp]:
    """Order positions so that neighbours have windows of the same lengths, the last ones first.

    Squares at an edge, or that lie well between a pool's windows, reach less.
    """
    keys = [spans.lengths for spans in reached.values()]
    # The last key given to lexsort weighs most; equal positions stay in order.
    return np.lexsort([np.arange(n), *keys])


def _tiles(rows: NDArray[np.intp], columns: NDArray[np.intp], side: int) -> list[Tile]:
    def parts(order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        return np.array_split(order, max(1, round(len(order) / side)))

    return [Tile(row, column) for row in parts(rows) for column in parts(columns)]


def cheapest_layout(
    network: LocalNetwork, rows: Spans, columns: Spans, memory_bytes: int
) -> Layout:
    """Choose the tiles, and how many calls compute windows only, by their expected cost.

    Parameters
    ----------
    network
        The network and its local part.
    rows, columns
        Squares' edges along each axis, in pixels.
    memory_bytes
        Most memory that one tile's values may take.
    """
    reached = (_reach(network.steps, rows, 0), _reach(network.steps, columns, 1))
    orders = [
        _alike(spans, len(squares.start))
        for spans, squares in zip(reached, (rows, columns), strict=True)
    ]
    whole = sum(
        flops + _ENTRY_COST * (entries + weights)
        for flops, entries, weights in network.work.values()
    )
    best: Layout | None = None
    for side in _TILE_SIDES:
        tiles = _tiles(orders[0], orders[1], side)
        layout = _best_cut(network, Layout((rows, columns), *reached, tiles, 0, 0.0, whole))
        fits = 4 * _largest(network, layout) <= memory_bytes
        if best is None or (fits and layout.cost < best.cost):
            best = layout
    return best  # type: ignore[return-value]


def _best_cut(network: LocalNetwork, layout: Layout) -> Layout:
    """Find the number of calls that compute windows only at which all tiles cost least."""
    n_local = len(network.steps)
    windows, full = np.zeros(n_local), np.zeros(len(network.nodes))
    for tile in layout.tiles:
        for number, node in enumerate(network.nodes):
            flops, entries, weights = network.work[node]
            own = _CALL_COST + _ENTRY_COST * weights
            full[number] += own + tile.size * (flops + _ENTRY_COST * entries)
            if number < n_local:
                share = _share(layout, network.steps[number], tile)
                # A window is written, and cut from the intact values with what lies around it.
                windows[number] += own + tile.size * share * (flops + 2 * _ENTRY_COST * entries)
    before = np.concatenate([[0.0], np.cumsum(windows)])
    after = np.concatenate([np.cumsum(full[::-1])[::-1], [0.0]])
    costs = before + after[: n_local + 1]
    cut = int(np.argmin(costs))
    return replace(layout, cut=cut, cost=float(costs[cut]))


def _share(layout: Layout, step: Step, tile: Tile) -> float:
    high, wide = layout.windows(step, tile)
    return high.length * wide.length / (step.shape[1] * step.shape[2])


def _largest(network: LocalNetwork, layout: Layout) -> int:
    """Entries of the largest call's windows, or whole values, with what it reads."""
    tile = max(layout.tiles, key=lambda one: one.size)
    most = 0.0
    for number, node in enumerate(network.nodes):
        inside = number < layout.cut
        share = _share(layout, network.steps[number], tile) if inside else 1.0
        most = max(most, 3 * tile.size * share * network.work[node][1])
    return int(most)


def whole_passes(rows: Spans, columns: Spans) -> Layout:
    """Run a whole forward pass for every position, where nothing is known of the network."""
    n_rows, n_columns = len(rows.start), len(columns.start)
    tiles = _tiles(np.arange(n_rows), np.arange(n_columns), _TILE_SIDES[0])
    return Layout((rows, columns), {}, {}, tiles, 0, float(n_rows * n_columns), 1.0)
