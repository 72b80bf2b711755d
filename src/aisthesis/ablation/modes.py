"""Reversible changes to a network, undone on every way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from aisthesis.ablation.compiled import uncompiled
from aisthesis.ablation.state import Kept, NetworkState, every_module, state_kept

__all__ = [
    "borrowed",
    "channels_last_of",
    "channels_replaced",
    "contiguous_weights",
    "evaluation",
    "own_convolutions",
]

Replacement = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Every submodule in evaluation mode, without gradients; each one's own flag comes back."""
    flags = [(module, module.training) for module in every_module(model)]
    try:
        for module, _ in flags:
            module.training = False
        # version counters, which tell that a tensor was overwritten, need inference mode off
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def borrowed(model: nn.Module, tensors: Kept = "buffers") -> Iterator[NetworkState]:
    """A network to run: uncompiled, in evaluation mode, and given back as it was.

    Parameters
    ----------
    model : Module
        The network.
    tensors : {"none", "buffers", "all"}
        Tensors that are put back, should the network write into them.
    """
    with uncompiled(model), evaluation(model), state_kept(model, tensors) as state:
        yield state


@contextmanager
def channels_replaced(layer: nn.Module, replacement: Replacement) -> Iterator[None]:
    """The output of `layer` passed through `replacement`, by a hook that is taken off again."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return replacement(output)

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def own_convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """Convolutions of maps whose weights are parameters, not computed from others."""
    found = [module for module in every_module(model) if isinstance(module, nn.Conv2d)]
    return [one for one in found if one._parameters.get("weight") is not None]


def channels_last_of(convolutions: list[nn.Conv2d]) -> list[nn.Conv2d]:
    """Those whose weights are not in the usual order in memory.

    By strides: a kernel of one cell counts as contiguous in either order, but what it gives follows
    its strides.
    """
    return [one for one in convolutions if one.weight.stride() != _usual_stride(one.weight)]


@contextmanager
def contiguous_weights(model: nn.Module) -> Iterator[None]:
    """Weights in the usual order in memory, and with them what convolutions give.

    Code that was written for such tensors (`output.view(...)`) fails with others. Values that are
    written meanwhile stay.
    """
    weights = [one.weight for one in channels_last_of(own_convolutions(model))]
    kept = [weight.data for weight in weights]
    try:
        for weight in weights:
            weight.data = weight.data.clone(memory_format=torch.contiguous_format)
        yield
    finally:
        for weight, before in zip(weights, kept, strict=True):
            weight.data = before.copy_(weight.data)


def _usual_stride(tensor: torch.Tensor) -> tuple[int, ...]:
    return torch.empty(tensor.shape, device="meta").stride()
