"""Reversible changes to a network, undone on every way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from aisthesis.ablation.compiled import uncompiled
from aisthesis.ablation.state import Kept, NetworkState, every_module, state_kept

__all__ = ["borrowed", "channels_replaced", "evaluation"]

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
