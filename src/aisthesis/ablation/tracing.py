"""The network's own graph, by torch.fx, without a change to the network."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn

__all__ = ["Trace", "first_line", "follow", "trace"]

_MOST_OPAQUE_MODULES = 64


@dataclass(frozen=True)
class Trace:
    """A graph whose module names are those of `root`, which only refers to the user's network."""

    root: nn.Module
    target: fx.Node  # the call of the layer
    output: fx.Node  # what the network gives
    before: list[fx.Node]  # in order: the target and whatever does not depend on it
    after: list[fx.Node]  # in order: whatever depends on the target
    dying: dict[fx.Node, list[fx.Node]]  # values that are not read after each node before
    # attributes that the network's code makes at its first pass, for one that has not made them
    made: dict[str, torch.Tensor] = field(default_factory=dict)

    @cached_property
    def of_images(self) -> frozenset[fx.Node]:
        """Operations before the layer, and the layer, whose values depend on the images."""
        found: set[fx.Node] = set()
        for node in self.before:
            if node.op == "placeholder" or found.intersection(node.all_input_nodes):
                found.add(node)
        return frozenset(found)

    @cached_property
    def carried(self) -> tuple[fx.Node, ...]:
        """Values of images that what comes after the layer starts from, the layer's among them."""
        later = set(self.after)
        return tuple(
            node
            for node in self.before
            if node in self.of_images and (node is self.target or later.intersection(node.users))
        )

    def attribute(self, name: str) -> Any:
        """What a `get_attr` node reads; the network's own where it has it."""
        try:
            own = operator.attrgetter(name)(self.root)
        except AttributeError:
            own = None
        return self.made[name] if own is None and name in self.made else own


class _OneInput(nn.Module):
    """Calls the network with its input alone, so that every other argument has its default."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> Any:
        return self.model(x)


class _Value(fx.Proxy):
    """A symbolic value that remembers that `+=` and its like overwrite it."""

    def __iadd__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})


class _Tracer(fx.Tracer):
    proxy_buffer_attributes = True  # or a value computed from a buffer would be frozen

    def __init__(
        self, layer: nn.Module | None, ancestors: set[nn.Module], opaque: set[nn.Module]
    ) -> None:
        super().__init__()
        self.layer, self.ancestors, self.opaque = layer, ancestors, opaque
        self.failed: nn.Module | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if m is self.layer or m in self.opaque:
            return True
        return m not in self.ancestors and super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Value(node, self)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            if self.failed is None:
                self.failed = m  # the innermost module whose code could not be followed
            raise


def trace(model: nn.Module, layer: nn.Module) -> Trace | str:
    """Follow the network's code with a symbolic input.

    A module that cannot be followed is called as a whole, unless `layer` lies in it.

    Returns
    -------
    Trace or str
        The graph, or the reason why there is none.
    """
    followed = follow(model, layer)
    return followed if isinstance(followed, str) else _split(*followed, layer)


def follow(model: nn.Module, layer: nn.Module | None = None) -> tuple[nn.Module, fx.Graph] | str:
    """Give the graph of a network's code, and the module that its names start from.

    A module that cannot be followed is one call of the graph, unless `layer` lies in it.

    Returns
    -------
    (root, graph) or str
        The graph, or the reason why there is none.
    """
    ancestors = {m for m in model.modules() if layer is not None and _contains(m, layer)}
    opaque: set[nn.Module] = set()
    for _ in range(_MOST_OPAQUE_MODULES):
        root = _OneInput(model)
        root.training = False
        tracer = _Tracer(layer, ancestors, opaque)
        try:
            graph = tracer.trace(root)
        except Exception as error:  # noqa: BLE001  the user's code may raise anything here
            failed = tracer.failed
            if failed is None or failed in ancestors or failed is layer or failed in opaque:
                return f"torch.fx cannot follow the network's code ({first_line(error)})"
            opaque.add(failed)
            continue
        return root, graph
    return "torch.fx cannot follow too many of the network's modules"


def _split(root: nn.Module, graph: fx.Graph, layer: nn.Module) -> Trace | str:
    """Cut the graph at the layer."""
    nodes = list(graph.nodes)
    calls = [n for n in nodes if n.op == "call_module" and _called(root, n) is layer]
    output = nodes[-1].args[0]
    if len(calls) != 1:
        times = f"{len(calls)} times" if calls else "nowhere that torch.fx can see"
        return f"the network calls the layer {times}"
    if not isinstance(output, fx.Node):
        return "the network gives more than one result"
    reached: set[fx.Node] = set(calls)
    for node in nodes:
        if reached.intersection(node.all_input_nodes):
            reached.add(node)
    before = [n for n in nodes if n is calls[0] or (n not in reached and n.op != "output")]
    after = [n for n in nodes if n in reached and n is not calls[0] and n.op != "output"]
    return Trace(root, calls[0], output, before, after, _last_reads(before, reached, output))


def _last_reads(
    before: list[fx.Node], reached: set[fx.Node], output: fx.Node
) -> dict[fx.Node, list[fx.Node]]:
    """Values to let go after each node.

    As in the network's own run, a module's input lives until the module is done. Letting go
    earlier costs time: memory is given back to the system and has to be fetched again.
    """
    order = {node: position for position, node in enumerate(before)}
    scopes = [tuple(node.meta.get("nn_module_stack", ())) for node in before]
    dying: dict[fx.Node, list[fx.Node]] = {}
    for node in before:
        if node is output or reached.intersection((node, *node.users)):
            continue
        end = order[node]
        for user in node.users:
            if user in order:
                end = max(end, _end_of_call(scopes, order[node], order[user]))
        dying.setdefault(before[end], []).append(node)
    return dying


def _end_of_call(scopes: list[tuple[str, ...]], made: int, read: int) -> int:
    """Last node of the module call that takes a value made at one node and read at another."""
    depth = 0
    while scopes[made][depth : depth + 1] == scopes[read][depth : depth + 1] != ():
        depth += 1
    call = scopes[read][: depth + 1]
    if len(call) == depth:  # read where it was made, by no module
        return read
    while read + 1 < len(scopes) and scopes[read + 1][: depth + 1] == call:
        read += 1
    return read


def _called(root: nn.Module, node: fx.Node) -> nn.Module:
    return root.get_submodule(str(node.target))


def _contains(module: nn.Module, layer: nn.Module) -> bool:
    return module is not layer and any(child is layer for child in module.modules())


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    text = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {text[0][:120]}"
