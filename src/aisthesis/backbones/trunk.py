"""A network that is frozen in every sense: no gradient reaches it and no statistic moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from aisthesis.errors import RequestError

__all__ = ["Embed", "FrozenTrunk"]

Embed = Literal["pool"] | Callable[[Any], Tensor] | nn.Module | None


class FrozenTrunk(nn.Module):
    """From normalised images to embeddings, through a network that stays as it is.

    No parameter takes a gradient, and the trunk is in `eval()` mode for good: `train()` leaves it
    there, and a part that somebody has set to training mode is put back before the next pass.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is frozen itself, not a copy of it.
    embed : {"pool"}, callable, torch.nn.Module or None
        What turns the network's output into an embedding (N, D): nothing, the global average pool
        of maps (N, C, h, w), or any function of the output.
    """

    def __init__(self, module: nn.Module, embed: Embed = None) -> None:
        super().__init__()
        self.module = module
        self.embed = embed
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> FrozenTrunk:
        """Stay in evaluation mode, whatever `mode` is."""
        super().train(False)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Give the embeddings (N, D) of normalised images (N, 3, H, W)."""
        if any(part.training for part in self.modules()):
            self.train(False)
        output = self.module(images)
        if self.embed is None:
            return output
        if isinstance(self.embed, str):
            return _global_average_pool(output)
        return self.embed(output)


def _global_average_pool(output: Any) -> Tensor:
    # A graph of the network is traced without values: there is nothing to check yet.
    traced = isinstance(output, fx.Proxy)
    if not traced and (not isinstance(output, torch.Tensor) or output.ndim != 4):
        came = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise RequestError(
            f'embed="pool" needs a network that gives maps (N, C, h, w), but it gave {came}; '
            "use embed=None for a network that gives (N, D), or a function of its output"
        )
    return output.mean(dim=(2, 3))
