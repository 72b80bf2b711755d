"""What the removal of places gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["PlaceAblation"]


@dataclass(frozen=True, eq=False)
class PlaceAblation:
    """Predictions of one batch with and without places of a layer, on the batch's device.

    Attributes
    ----------
    output : (N,) or (N, K)
        Predictions f of the intact network, float64.
    delta : (N, h, w) or (N, h, w, K)
        Δp: the prediction without the place (or the window around it) minus `output`, float64,
        computed without subtracting the two where the graph is used, so that it keeps its digits.
    activation : (N, ...)
        The layer's output, in the network's own type and layout.
    channel_axis : int
        Axis of `activation` that counts channels.
    window : int
        Side of the squares of places removed together.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> found = ais.place_plan(network, "0", images)(images)
    >>> without = found.output[:, None, None] + found.delta
    >>> torch.allclose(without, ais.ablate_places(network, "0", images))
    True
    """

    output: torch.Tensor
    delta: torch.Tensor
    activation: torch.Tensor
    channel_axis: int
    window: int

    @property
    def removed(self) -> torch.Tensor:
        """Predictions without each place, (N, h, w) or (N, h, w, K), float64."""
        return self.output[:, None, None] + self.delta
