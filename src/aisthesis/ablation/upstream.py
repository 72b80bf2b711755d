"""The part of the graph that the removal of channels does not reach, run once on real data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from aisthesis.ablation.flops import operation_flops
from aisthesis.ablation.owners import run_operation
from aisthesis.ablation.tracing import Trace

__all__ = ["Upstream", "node_module", "run_upstream", "storages", "tensors", "versions"]


@dataclass
class Upstream:
    """What the operations that are not reached leave for those that are.

    Attributes
    ----------
    values
        The layer's output, and every value that an affected operation reads.
    overwriting
        Each operation that overwrote something, with the kept values it overwrote.
    work
        Floating-point operations, and entries written.
    """

    values: dict[fx.Node, Any] = field(default_factory=dict)
    overwriting: list[tuple[fx.Node, list[fx.Node]]] = field(default_factory=list)
    work: list[tuple[int, int]] = field(default_factory=list)


def run_upstream(
    trace: Trace, x: torch.Tensor, watch: bool, kept: Mapping[str, torch.Tensor] | None = None
) -> Upstream:
    """Run every operation that the removal does not reach.

    Parameters
    ----------
    trace
        The network's graph.
    x : (N, ...)
        Images; not overwritten even if the network overwrites its input.
    watch
        Whether to look out for overwriting and to count the work.
    kept
        Values of these images from an earlier pass, by node: what depends on images is then taken
        from there, and `x` is not looked at.
    """
    upstream = Upstream()
    values = upstream.values
    for node in trace.before:
        if kept is not None and node in trace.of_images:
            if node.name in kept:
                values[node] = kept[node.name]
        elif node.op == "placeholder":
            values[node] = x.clone()
        elif node.op == "get_attr":
            values[node] = trace.attribute(str(node.target))
        else:
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            module = node_module(trace, node)
            seen = [versions(values[other]) for other in node.all_input_nodes] if watch else []
            values[node] = run_operation(node, module, args, kwargs)
            if watch:
                _note(upstream, node, seen)
                flops = operation_flops(node, module, args, values[node])
                upstream.work.append((flops, sum(t.numel() for t in tensors(values[node]))))
        for other in trace.dying.get(node, ()):
            values.pop(other, None)
    return upstream


def node_module(trace: Trace, node: fx.Node) -> nn.Module | None:
    """Module that a node calls, if it calls one."""
    return trace.root.get_submodule(str(node.target)) if node.op == "call_module" else None


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Tensors in a value, however nested."""
    return (leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor))


def versions(value: Any) -> list[tuple[int, tuple[int, ...]]]:
    """What changes when the tensors of a value are overwritten."""
    return [(0 if t.is_inference() else t._version, tuple(t.shape)) for t in tensors(value)]


def storages(value: Any) -> set[int]:
    """Memory that the tensors of a value lie in."""
    return {tensor.untyped_storage()._cdata for tensor in tensors(value)}


def _note(upstream: Upstream, node: fx.Node, seen: list[Any]) -> None:
    values = upstream.values
    overwritten = [
        other
        for other, before in zip(node.all_input_nodes, seen, strict=True)
        if versions(values[other]) != before
    ]
    touched = set().union(*(storages(values[other]) for other in overwritten))
    if touched:
        aliases = [n for n, v in values.items() if n is not node and touched & storages(v)]
        upstream.overwriting.append((node, aliases))
