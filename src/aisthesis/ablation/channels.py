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

    It is the one as long as what the layer's parts give: the last axis for a Linear or LayerNorm
    layer, the second for a convolution, and for a block of both (a convolution over reshaped
    tokens, say) the one of the two whose length some part gives. Where no part has a length, it
    is the last of three axes (image, token, channel), the last of four where the two before it
    are equal and it is not, as of square grids, and else the second.

    Raises
    ------
    RequestError
        If the output has no channel axis, both may be it, or `wanted` is not one.
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
    last, second = _widths(layer)
    if isinstance(layer, nn.Linear | nn.LayerNorm):
        named_2d = type(layer).__name__.endswith("2d")  # LayerNorm2d of torchvision and timm
        fits_last, fits_second = shape[-1] in last, shape[1] in last
        return not named_2d if fits_last == fits_second else fits_last
    if not second:  # without a convolution
        if not last and any(type(module).__name__.endswith(_MAPS) for module in layer.modules()):
            return False  # a pool
        if len(shape) == 3:
            return True
        if not last:
            return _is_square_before_last(shape)
        return shape[-1] in last and (shape[1] not in last or _is_square_before_last(shape))
    if not last:
        return False
    # A convolution in a block works on reshaped tokens or on the map: its channels are the
    # block's either way, so lengths tell, not classes.
    fits_last, fits_second = (shape[axis] in last | second for axis in (-1, 1))
    if fits_last and fits_second:
        fits_last, fits_second = (shape[axis] in last & second for axis in (-1, 1))
    if fits_last and fits_second and len(shape) == 4:
        fits_last = _is_square_before_last(shape)
        fits_second = shape[2] == shape[3] != shape[1]
    if fits_last != fits_second:
        return fits_last
    raise RequestError(
        f"the layer holds both convolutions and linear layers, and its output {tuple(shape)} may "
        "have channels on its second or on its last axis; say which with channel_axis=1 or -1"
    )


def _is_square_before_last(shape: Sequence[int]) -> bool:
    """Whether an output of four axes looks like (N, h, h, C), and not like (N, C, h, h)."""
    return len(shape) == 4 and shape[1] == shape[2] != shape[3]


def _widths(layer: nn.Module) -> tuple[set[int], set[int]]:
    """Channels that its parts give on the last axis (linear maps), and on the second."""
    last: set[int] = set()
    second: set[int] = set()
    for module in layer.modules():
        if isinstance(module, nn.Linear):
            last.add(module.out_features)
        elif isinstance(module, nn.LayerNorm):
            last.add(module.normalized_shape[-1])
        elif type(module).__name__.endswith(_MAPS):
            width = getattr(module, "out_channels", getattr(module, "num_features", None))
            if isinstance(width, int):
                second.add(width)
    return last, second
