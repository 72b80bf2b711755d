"""The layer asked for, its channel axis, and sets of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from aisthesis.errors import RequestError, nearest, or_list

__all__ = [
    "ChannelSets",
    "channel_axis",
    "channel_sets",
    "check_activation",
    "find_layer",
    "without_channels",
]

ChannelSets = Sequence[Sequence[int]] | np.ndarray | torch.Tensor

_MAPS = ("1d", "2d", "3d")  # classes that have channels on the second axis end so


def find_layer(model: nn.Module, layer: str) -> nn.Module:
    """Module of `model` at a dotted path.

    Raises
    ------
    RequestError
        If there is none; the message names the paths most like it.
    """
    names = dict(model.named_modules(remove_duplicate=False))
    if layer in names and layer:
        return names[layer]
    near = nearest(layer, names)
    hint = f"did you mean {or_list(near)}?" if near else "see `aisthesis layers`"
    raise RequestError(f"the network has no layer {layer!r}; {hint}")


def check_activation(outputs: Sequence[Any]) -> None:
    """Refuse a layer that gave no floating tensor in a pass of the network.

    Parameters
    ----------
    outputs
        What it gave at each of its calls.

    Raises
    ------
    RequestError
        If there was no call, or something else than a floating tensor.
    """
    if not outputs:
        raise RequestError(
            "the network never calls the layer, so nothing can be removed from it; choose "
            "another layer"
        )
    for output in outputs:
        if not isinstance(output, torch.Tensor):
            raise RequestError(
                f"expected a layer that gives one tensor, got {type(output).__name__}; choose "
                "a layer inside it"
            )
        if not output.is_floating_point() or output.dtype.itemsize < 2:
            raise RequestError(
                f"expected a layer whose output is float16, bfloat16, float32 or float64, got "
                f"{output.dtype}, in which no channel can be set to zero and compared; choose a "
                "layer that is not quantised, or give the network before it was quantised"
            )


def channel_axis(layer: nn.Module, shape: Sequence[int], wanted: int | None) -> int:
    """Axis that counts channels in an output of `shape`, from the front.

    It is the last of three axes (image, token, channel) unless the layer holds a convolution, and
    the last of four or more for a Linear or LayerNorm layer and for a block made of them without
    a convolution; else it is the second.

    Raises
    ------
    RequestError
        If the output has no channel axis, or `wanted` is not one.
    """
    rank = len(shape)
    if rank < 2:
        raise RequestError(
            f"expected a layer whose output has a channel axis, got shape {tuple(shape)}; "
            "choose a layer before it"
        )
    if wanted is not None:
        axis = wanted + rank if wanted < 0 else wanted
        if not 1 <= axis < rank:
            raise RequestError(
                f"expected channel_axis between 1 and {rank - 1} for an output of shape "
                f"{tuple(shape)}, got {wanted}; axis 0 counts images"
            )
        return axis
    return rank - 1 if rank > 2 and _is_channel_last(layer, shape) else 1


def channel_sets(sets: ChannelSets | None, channels: int) -> np.ndarray | None:
    """Sets of channels as a boolean matrix (G, C); None: every channel alone.

    Raises
    ------
    RequestError
        If a matrix has another width than `channels`, or an index lies outside.
    """
    if sets is None:
        return None
    if isinstance(sets, torch.Tensor):
        sets = sets.detach().cpu().numpy()
    if isinstance(sets, np.ndarray) and sets.dtype == bool:
        if sets.ndim != 2 or sets.shape[1] != channels:
            raise RequestError(
                f"expected a boolean matrix of channel sets (G, {channels}), got {sets.shape}"
            )
        return sets
    member = np.zeros((len(sets), channels), dtype=bool)
    for row, chosen in zip(member, sets, strict=True):
        index = np.atleast_1d(np.asarray(chosen))
        whole = index.size == 0 or np.issubdtype(index.dtype, np.integer)
        if not whole or np.any((index < 0) | (index >= channels)):
            raise RequestError(
                f"expected channel numbers from 0 to {channels - 1}, got {np.asarray(chosen)!r}"
            )
        row[index.astype(np.int64)] = True
    return member


def without_channels(activation: torch.Tensor, axis: int, replace: str) -> torch.Tensor:
    """A layer's output with every channel removed.

    Parameters
    ----------
    activation : (N, ..., C, ...)
        The layer's output.
    axis
        Channel axis.
    replace : {"zero", "mean"}
        Put zero, or the channel's own mean over positions in the image.
    """
    if replace == "zero":
        return torch.zeros_like(activation)
    positions = [dim for dim in range(1, activation.ndim) if dim != axis]
    if not positions:
        return activation.clone()
    return activation.mean(positions, keepdim=True).expand_as(activation)


def _is_channel_last(layer: nn.Module, shape: Sequence[int]) -> bool:
    """Judge by what the layer is made of, where both readings fit the shape."""
    widths = [_last_width(module) for module in layer.modules()]
    fits_last, fits_second = shape[-1] in widths, shape[1] in widths
    if isinstance(layer, nn.Linear | nn.LayerNorm):
        named_2d = type(layer).__name__.endswith("2d")  # LayerNorm2d of torchvision and timm
        return not named_2d if fits_last == fits_second else fits_last
    convolutional = any(type(module).__name__.endswith(_MAPS) for module in layer.modules())
    if len(shape) == 3:
        return not convolutional
    return fits_last and not fits_second and not convolutional


def _last_width(module: nn.Module) -> int | None:
    """Channels that a Linear or LayerNorm layer gives on the last axis."""
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.normalized_shape[-1] if isinstance(module, nn.LayerNorm) else None
