"""One forward pass, and from it the change of the output for every removed place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import fx

from aisthesis.importance.analysis import Analysis
from aisthesis.importance.execution import Execution
from aisthesis.importance.owners import State
from aisthesis.importance.place_grid import PlaceGrid
from aisthesis.importance.place_owners import Placed
from aisthesis.importance.place_sums import PlaceSum, window_sums
from aisthesis.importance.upstream import Upstream

__all__ = ["PlaceExecution"]


class PlaceExecution(Execution):
    """Values and changes of one batch.

    Parameters
    ----------
    analysis, sums
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
        sums: dict[fx.Node, PlaceSum],
        upstream: Upstream,
        grid: PlaceGrid,
        window: int,
        replace: str,
    ) -> None:
        self.grid, self.window, self.sums = grid, window, sums
        self._each: dict[fx.Node, torch.Tensor] = {}
        self._together = grid.windows(window)
        removed = grid.without_places(upstream.values[analysis.target], replace)
        super().__init__(analysis, {}, upstream, removed)

    def changed_by(self, places: np.ndarray, at_once: int) -> torch.Tensor:
        """Change of the output, (N, P, ...), by each of some places and the window around it.

        Parameters
        ----------
        places : (P,) int
            Numbers of places, rows of the grid one after another.
        at_once
            Number of places to carry together.
        """
        shape = (self.images, len(places), *self.output.shape[1:])
        if self.analysis.states[self.analysis.output] is None:
            return self.output.new_zeros(shape)
        pieces = [
            self._carried(self._summed(some), self._removed_with(some))
            for some in np.array_split(places, -(-len(places) // at_once))
        ]
        return torch.cat(pieces).movedim(0, 1)

    def _summed(self, places: np.ndarray) -> dict[str, torch.Tensor]:
        """Changes (P, N, ...) of the operations that need no run for each place."""
        ready = {}
        for node, way in self.sums.items():
            if node not in self._each:
                dtype = self.analysis.affected[node].dtype
                change = self._converted(way.source, self.changes[way.source], dtype)
                self._each[node] = way.by_place(change, self.grid.count, self._caster(dtype))
            shape = (self.grid.height, self.grid.width)
            ready[node.name] = window_sums(self._each[node], shape, self.window, places)
        return ready

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
