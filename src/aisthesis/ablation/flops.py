"""Floating-point operations of one call, for estimates."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from aisthesis.ablation.ops import operation

__all__ = ["operation_flops"]

_WEIGHTED = frozenset({"linear", "conv1d", "conv2d", "conv3d"})


def operation_flops(
    node: fx.Node, module: nn.Module | None, args: tuple[Any, ...], result: Any
) -> int:
    """Multiplications and additions of one call; a container counts as its weights would.

    Parameters
    ----------
    node, module
        The call and the module it calls.
    args
        Its arguments.
    result
        What it gave.
    """
    entries = sum(t.numel() for t in pytree.tree_leaves(result) if isinstance(t, torch.Tensor))
    name = operation(node, module)
    if name in _WEIGHTED:
        weight: Any = module.weight if module is not None else args[1]
        return 2 * entries * weight.numel() // max(weight.shape[0], 1)
    if name in ("matmul", "bmm"):
        return 2 * entries * args[0].shape[-1]
    if name == "scaled_dot_product_attention":
        return 4 * entries * args[1].shape[-2]
    if module is not None and name == "unknown":
        return _container_flops(module, entries, result)
    return 0


def _container_flops(module: nn.Module, entries: int, result: Any) -> int:
    """As if every weight met every position of the result."""
    shape: tuple[int, ...] = tuple(getattr(result, "shape", ()))
    width = shape[1] if len(shape) == 4 else shape[-1] if shape else 1
    weights = sum(parameter.numel() for parameter in module.parameters())
    return 2 * weights * entries // max(width, 1)
