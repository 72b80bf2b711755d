"""Convolutions with channels last in memory, which processors are faster with, in a study.

The choice depends on the network alone, never on a time taken, so that every process that works on
a study makes the same one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aisthesis.ablation.modes import borrowed, channels_last_of, own_convolutions
from aisthesis.backbones import Backbone
from aisthesis.backbones.initialise import noise_images

__all__ = ["TOLERANCE", "memory_format", "settle"]

#: Of the largest value of an output: what rounding in another order may change it by.
TOLERANCE = 1e-5

_tried: dict[str, bool] = {}  # by the network's fingerprint, in this process


def settle(backbone: Backbone, device: torch.device) -> Backbone:
    """Move a study's backbone to its device and lay its weights out as is fastest there.

    On the processor the weights of convolutions get their channels last in memory, and what they
    give follows. A network that does not run so, or gives other values than before, is left as it
    is.

    Returns
    -------
    Backbone
        The one given.
    """
    backbone.trunk.to(device)
    convolutions = own_convolutions(backbone.trunk)
    if device.type != "cpu" or not convolutions or channels_last_of(convolutions):
        return backbone
    key = backbone.fingerprint
    if key not in _tried:
        _tried[key] = _gives_the_same(backbone, convolutions)
    _lay_out(convolutions, torch.channels_last if _tried[key] else torch.contiguous_format)
    return backbone


def memory_format(backbone: Backbone) -> str:
    """How a backbone's convolutions lie in memory, for its record."""
    last = channels_last_of(own_convolutions(backbone.trunk))
    return "channels last" if last else "contiguous"


def _gives_the_same(backbone: Backbone, convolutions: list[nn.Conv2d]) -> bool:
    """Whether a noise image's embedding, and the layer's output, are those of channels first."""
    images = noise_images(backbone.transform, 1, seed=0)
    first = _outputs(backbone, images)
    _lay_out(convolutions, torch.channels_last)
    try:
        last = _outputs(backbone, images)
    except Exception:  # noqa: BLE001  a network's own code, written for contiguous tensors
        return False
    return all(_close(one, other) for one, other in zip(first, last, strict=True))


def _outputs(backbone: Backbone, images: Tensor) -> list[Tensor]:
    """The layer's output, where there is a layer, and the embedding."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        found.append(output.clone())

    with borrowed(backbone.trunk):
        if backbone.trunk_layer is None:
            return [backbone.trunk(images)]
        layer = backbone.trunk.get_submodule(backbone.trunk_layer)
        handle = layer.register_forward_hook(keep)
        try:
            return [backbone.trunk(images), *found]
        finally:
            handle.remove()


def _close(one: Tensor, other: Tensor) -> bool:
    near = TOLERANCE * float(one.abs().max())
    return one.shape == other.shape and torch.allclose(other, one, rtol=0.0, atol=near)


def _lay_out(convolutions: list[nn.Conv2d], order: torch.memory_format) -> None:
    for convolution in convolutions:
        weight = convolution.weight
        weight.data = weight.data.clone(memory_format=order)
