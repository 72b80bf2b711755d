"""Reversible changes to a network, undone on every way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["attributes_kept", "channels_replaced", "evaluation"]

Replacement = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Every submodule in evaluation mode, without gradients; each one's own flag comes back."""
    flags = [(module, module.training) for module in model.modules()]
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
def attributes_kept(model: nn.Module) -> Iterator[None]:
    """Attributes that the network's own code sets on its modules while it is traced come off."""
    tables = [
        (table, dict(table))
        for module in model.modules()
        for table in (vars(module), module._parameters, module._buffers, module._modules)
    ]
    try:
        yield
    finally:
        for table, kept in tables:
            if len(table) != len(kept) or any(table.get(k) is not v for k, v in kept.items()):
                table.clear()
                table.update(kept)


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
