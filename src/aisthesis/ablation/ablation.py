"""What the removal of channels gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Ablation"]


@dataclass(frozen=True, eq=False)
class Ablation:
    """Predictions of one batch with and without channels of a layer, on the batch's device.

    Attributes
    ----------
    output : (N,) or (N, K)
        Predictions f of the intact network, float64.
    delta : (N, G) or (N, G, K)
        Δp: the prediction with a channel (or group) removed minus `output`, float64, computed
        without subtracting the two, so that it keeps its digits where it is far below them.
        G is the number C of channels unless groups were asked for.
    activation : (N, ..., C, ...)
        The layer's output, in the network's own type.
    channel_axis : int
        Axis of `activation` that counts channels.
    """

    output: torch.Tensor
    delta: torch.Tensor
    activation: torch.Tensor
    channel_axis: int

    @property
    def removed(self) -> torch.Tensor:
        """Predictions with a channel (or group) removed, (N, G) or (N, G, K), float64."""
        return self.output.unsqueeze(1) + self.delta

    @property
    def channels_first(self) -> torch.Tensor:
        """The activation as (N, C, ...), the channel axis moved to the second place."""
        return self.activation.movedim(self.channel_axis, 1)
