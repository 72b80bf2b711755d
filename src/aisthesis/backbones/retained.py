"""A backbone of which only some channels of its layer are kept."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisthesis.backbones.frozen import Backbone
from aisthesis.errors import RequestError

__all__ = ["KeptChannels", "retained_backbone"]


class KeptChannels(nn.Module):
    """A layer with all channels of its output set to zero but some.

    Parameters
    ----------
    layer : nn.Module
        Gives one tensor.
    kept : (C,) bool
        Channels that stay.
    channel_axis : int
        Axis of the output that counts them.
    """

    mask: Tensor

    def __init__(self, layer: nn.Module, kept: NDArray[np.bool_], channel_axis: int) -> None:
        super().__init__()
        self.layer = layer
        self.channel_axis = channel_axis
        self.register_buffer("mask", torch.from_numpy(kept.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        """Give the layer's output without the channels that are not kept."""
        output = self.layer(x)
        shape = [1] * output.ndim
        shape[self.channel_axis] = -1
        return output * self.mask.reshape(shape)

    def extra_repr(self) -> str:
        """Say how many channels stay."""
        return f"kept={int(self.mask.sum())}, channel_axis={self.channel_axis}"


def retained_backbone(backbone: Backbone, channels: Sequence[int] | NDArray[np.intp]) -> Backbone:
    """Copy a backbone and keep only some channels of its layer.

    Everything that takes a backbone takes the copy: it embeds, predicts and is explained like any
    other, and the channels that are gone have no importance. The backbone itself is left as it is.

    Parameters
    ----------
    backbone : Backbone
        With a layer.
    channels : sequence of int
        Numbers of the channels to keep.

    Raises
    ------
    RequestError
        If the backbone has no layer, or a number is no channel of it.
    """
    if backbone.layer is None or backbone.layout is None:
        raise RequestError(
            f"{backbone.name} has no layer whose channels could be kept; name one with `layer`"
        )
    total = backbone.layout.channels
    numbers = np.asarray(channels)
    if not numbers.size or not np.issubdtype(numbers.dtype, np.integer):
        raise RequestError(f"expected numbers of channels to keep, got {channels!r}")
    if numbers.min() < 0 or numbers.max() >= total:
        raise RequestError(
            f"expected channels from 0 to {total - 1} of {backbone.name} {backbone.layer}, got "
            f"{int(numbers.min())} to {int(numbers.max())}"
        )
    kept = np.zeros(total, dtype=bool)
    kept[numbers] = True
    module = copy.deepcopy(backbone.module)
    layer = module.get_submodule(backbone.layer)
    wrapped = KeptChannels(layer, kept, backbone.layout.channel_axis).to(backbone.device)
    if layer is module:
        raise RequestError("the layer is the whole network; choose a layer inside it")
    module.set_submodule(backbone.layer, wrapped)
    return Backbone(
        module,
        layer=backbone.layer,
        transform=backbone.transform,
        embed=copy.deepcopy(backbone.embed),
        name=backbone.name,
        network=backbone.network,
        weights=backbone.weights,
        copy=False,
    )
