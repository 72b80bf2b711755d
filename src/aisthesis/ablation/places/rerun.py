"""Removal of places by running the network's own code again, where its graph cannot be had."""

from __future__ import annotations

import torch
from torch import nn

from aisthesis.ablation.places.grid import PlaceGrid, place_grid
from aisthesis.ablation.rerun import Rerun
from aisthesis.errors import RequestError

__all__ = ["PlaceRerun"]


class PlaceRerun(Rerun):
    """One batch through a network whose graph is unknown, places of a layer removed by hooks.

    Parameters
    ----------
    model, layer, x, axis, replace, memory_bytes
        As for `Rerun`.
    grid : (rows, columns), optional
        Of the places, where the shape of the layer's output does not tell.
    name
        The layer's, for messages.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module,
        x: torch.Tensor,
        axis: int | None,
        replace: str,
        memory_bytes: int,
        grid: tuple[int, int] | None,
        name: str,
    ) -> None:
        self._wanted, self._name = grid, name
        super().__init__(model, layer, x, axis, replace, memory_bytes)

    def _count(self) -> int:
        shape = self.activation.shape
        self.grid: PlaceGrid = place_grid(shape, self.axis, self._wanted, self._name)
        return self.grid.count

    def _without(self, activation: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """The layer's output without the chosen places (h·w,) bool."""
        if not self.grid.fits(activation.shape):
            raise RequestError(
                "the network calls the layer several times with different numbers of places; "
                "choose a layer that it calls once"
            )
        removed = self.grid.without_places(activation, self.replace)
        named = torch.cat([chosen.new_zeros(1), chosen])  # the first stands for no place
        return torch.where(named[self.grid.labels(activation.device)], removed, activation)
