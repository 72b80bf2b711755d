"""One forward pass, and from it the change of the output for every removed place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.execution import Execution
from aisthesis.ablation.owners import State
from aisthesis.ablation.places.grid import PlaceGrid
from aisthesis.ablation.places.local_run import LocalRun, Windows, joined
from aisthesis.ablation.places.owners import Placed
from aisthesis.ablation.places.sums import window_sums
from aisthesis.ablation.places.ways import PlaceWays
from aisthesis.ablation.upstream import Upstream

__all__ = ["PlaceExecution"]


class PlaceExecution(Execution):
    """Values and changes of one batch.

    Parameters
    ----------
    analysis, ways
        What is known of the network for this shape of input.
    upstream
        Values that the removal does not reach, of the same batch.
    grid
        Places of the layer's output.
    window
        Side of the squares of places that are removed together.
    replace : {"zero", "mean"}
        What a removed place becomes.
    """

    def __init__(
        self,
        analysis: Analysis,
        ways: PlaceWays,
        upstream: Upstream,
        grid: PlaceGrid,
        window: int,
        replace: str,
    ) -> None:
        self.grid, self.window, self.ways = grid, window, ways
        self._kept: dict[fx.Node, torch.Tensor] = {}
        self._together = grid.windows(window)
        removed = grid.without_places(upstream.values[analysis.target], replace)
        super().__init__(analysis, {}, upstream, removed)
        self._tail_nodes = ways.tail
        self._local = LocalRun(
            analysis, grid, window, ways.local, self._operand, self._caster, self.changes
        )

    def changed_by(self, places: np.ndarray, memory_bytes: int) -> torch.Tensor:
        """Change of the output, (N, P, ...), by each of some places and the window around it.

        Parameters
        ----------
        places : (P,) int
            Numbers of places, rows of the grid one after another.
        memory_bytes
            Most memory to use.
        """
        shape = (self.images, len(places), *self.output.shape[1:])
        if self.analysis.states[self.analysis.output] is None:
            return self.output.new_zeros(shape)
        at_once = self.ways.places_at_once(memory_bytes, self.activation.device)
        order = np.concatenate(self._local.alike(places))
        pieces = [
            self._carried(self._ready_for(some, memory_bytes), self._removed_with(some))
            for some in np.array_split(places[order], -(-len(places) // at_once))
        ]
        back = torch.as_tensor(np.argsort(order), device=self.activation.device)
        return torch.cat(pieces)[back].movedim(0, 1)

    def _ready_for(self, places: np.ndarray, memory_bytes: int) -> dict[str, torch.Tensor]:
        """Changes (P, N, ...) of the operations that need no run for each place."""
        ready = {}
        for node, way in self.ways.sums.items():
            if node not in self._kept:
                dtype = self.analysis.affected[node].dtype
                change = self._converted(way.source, self.changes[way.source], dtype)
                self._kept[node] = way.by_place(change, self.grid.count, self._caster(dtype))
            shape = (self.grid.height, self.grid.width)
            ready[node.name] = window_sums(self._kept[node], shape, self.window, places)
        if not self.ways.local:
            return ready
        windows = self._windows(places, memory_bytes)
        for node in self.ways.pasted:
            parts = windows[node]
            ready[node.name] = torch.cat([p.whole(self.analysis.shapes[node]) for p in parts])
        for node, meeting in self.ways.meetings.items():
            dtype = self.analysis.affected[node].dtype or self.analysis.dtypes[node]
            parts = [Windows(one.change.to(dtype), one.starts) for one in windows[meeting.source]]
            ready[node.name] = meeting.change(parts, places, self.grid, self._caster(dtype))
        return ready

    def _windows(self, places: np.ndarray, memory_bytes: int) -> dict[fx.Node, list[Windows]]:
        """Windows of the local operations that others read, those of one size together."""
        at_once = self.ways.windows_at_once(memory_bytes, self.activation.device)
        read = {*self.ways.pasted, *(m.source for m in self.ways.meetings.values())}
        parts: dict[fx.Node, list[Windows]] = {node: [] for node in read}
        for group in self._local.alike(places):
            pieces = [
                self._local.windows(some)
                for some in np.array_split(places[group], -(-len(group) // at_once))
            ]
            for node in read:
                parts[node].append(joined([piece[node] for piece in pieces]))
        return parts

    def _removed_with(self, places: np.ndarray) -> torch.Tensor:
        """Places removed with each of some, (P, h·w + 1); the first column is for no place."""
        rows = np.pad(self._together[places], ((0, 0), (1, 0)))
        return torch.as_tensor(rows, device=self.activation.device)

    def _restricted(
        self, node: fx.Node, state: State, change: Any, row: torch.Tensor, position: int
    ) -> Any:
        """The part of a change that the removed places cause."""
        if not isinstance(state, Placed):
            return super()._restricted(node, state, change, row, position)
        if (node, position) not in self._owners:
            self._owners[node, position] = state.labels.to(change.device, torch.int64)
        return torch.where(row[self._owners[node, position]], change, 0.0)
