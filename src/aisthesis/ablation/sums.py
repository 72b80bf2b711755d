"""Means and sums over axes: what a call takes them over, and by what the sum is multiplied."""

from __future__ import annotations

import numpy as np
from torch import fx

from aisthesis.ablation.analysis import Analysis

__all__ = ["summed_axes"]


def summed_axes(node: fx.Node, analysis: Analysis) -> tuple[tuple[int, ...], float] | None:
    """Axes over which a call takes a mean or a sum, and the sum's factor; None if it does not."""
    operation = analysis.affected[node].operation
    shape, result = analysis.shapes[node.all_input_nodes[0]], analysis.shapes.get(node)
    rank = len(shape)
    if operation.name in ("mean", "sum"):
        dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
        if dims is None or not set(node.kwargs) <= {"dim", "keepdim"} or len(node.args) > 3:
            return None
        listed = [dims] if isinstance(dims, int) else list(dims)  # type: ignore[arg-type]
        if not all(isinstance(dim, int) for dim in listed):
            return None
        wanted = tuple(sorted(dim % rank for dim in listed))
    elif operation.name.startswith("adaptive_avg_pool"):
        wanted = tuple(range(rank - int(operation.name[-2]), rank))
        if result is None or any(result[axis] != 1 for axis in wanted):
            return None
    else:
        return None
    entries = int(np.prod([shape[axis] for axis in wanted]))
    return (wanted, 1.0 if operation.name == "sum" else 1 / entries) if result is not None else None
