"""What each operation after the layer does to its channels, found once per input shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from aisthesis.ablation.channels import channel_axis
from aisthesis.ablation.deltas import LOWERED, Operation
from aisthesis.ablation.flops import operation_flops
from aisthesis.ablation.ops import operation
from aisthesis.ablation.owners import Apart, Owned, State, Step, owned_result, run_operation
from aisthesis.ablation.tracing import Trace, first_line
from aisthesis.ablation.upstream import Upstream, node_module, storages, tensors, versions
from aisthesis.errors import RequestError

__all__ = ["Affected", "Analysis", "Parts", "Unsuitable", "analyse"]

_WIDE_CHANNELWISE = 2**22  # entries of a batch below which the channel-wise part is float64
_WIDE_APART_FLOPS = 2**24  # operations of an image, likewise
_WIDE_ENTRIES = 2**12  # entries of an image, and operations, below which the rest is float64
_WIDE_FLOPS = 2**21


class Unsuitable(Exception):  # noqa: N818  it is a finding, not a fault
    """The graph cannot be used; the message says why."""


@dataclass(frozen=True)
class Affected:
    """One operation that the removal of a channel reaches."""

    operation: Operation
    state: State
    dtype: torch.dtype | None  # precision to compute in, None: the network's own

    @property
    def channelwise(self) -> bool:
        """Whether every entry of the result depends on one channel at most."""
        return isinstance(self.state, Apart | tuple)


@dataclass(frozen=True)
class Analysis:
    """Everything that the execution needs to know, for one shape of input."""

    trace: Trace
    axis: int
    shape: torch.Size  # of the layer's output
    affected: dict[fx.Node, Affected]  # in order; the target is not among them
    states: dict[fx.Node, State]  # of these, the target and what they read
    dtypes: dict[fx.Node, Any]  # the network's own dtype of every value
    needed: frozenset[fx.Node]  # those on a way from the target to the output
    sizes: dict[fx.Node, int]  # entries of every value
    shapes: dict[fx.Node, torch.Size]  # of every value that is a tensor
    flops: dict[fx.Node, int]
    upstream_work: tuple[int, int]  # floating-point operations, entries written

    @property
    def target(self) -> fx.Node:
        """Call of the layer."""
        return self.trace.target

    @property
    def output(self) -> fx.Node:
        """What the network gives."""
        return self.trace.output

    @property
    def channels(self) -> int:
        """Number of channels of the layer."""
        return self.shape[self.axis]

    @cached_property
    def mixing(self) -> list[fx.Node]:
        """Operations to repeat for every channel, in order."""
        return [n for n, a in self.affected.items() if n in self.needed and not a.channelwise]

    @cached_property
    def dying(self) -> dict[fx.Node, list[fx.Node]]:
        """Mixing operations whose results nobody reads after each of them."""
        last: dict[fx.Node, fx.Node] = {}
        for node in self.mixing:
            last.update(dict.fromkeys(node.all_input_nodes, node))
        last.pop(self.output, None)
        dead: dict[fx.Node, list[fx.Node]] = {}
        for other, node in last.items():
            if other in self.affected and not self.affected[other].channelwise:
                dead.setdefault(node, []).append(other)
        return dead

    def bytes_per_set(self) -> int:
        """Largest memory that the changes of one set of channels take at a time."""
        alive: dict[fx.Node, int] = {}
        peak = 0
        for node in self.mixing:
            inputs = sum(self.bytes_of(other) for other in node.all_input_nodes)
            alive[node] = self.bytes_of(node)
            # an operation's own temporaries: removed inputs, and its result before subtraction
            peak = max(peak, sum(alive.values()) + inputs + 2 * alive[node])
            for other in self.dying.get(node, ()):
                alive.pop(other, None)
        return max(peak, 8)

    def bytes_of(self, node: fx.Node) -> int:
        """Memory of an affected value, 0 for one that is not affected."""
        if self.states[node] is None:
            return 0
        chosen = self.affected[node].dtype if node in self.affected else None
        own = [leaf for leaf in pytree.tree_leaves(self.dtypes[node]) if leaf is not None]
        size = chosen.itemsize if chosen is not None else own[0].itemsize
        return self.sizes[node] * size


@dataclass(frozen=True)
class Parts:
    """What is removed, and how it is followed.

    Attributes
    ----------
    start
        From the shape of the layer's output and its channel axis to the state it begins with.
    result
        State of an operation's result.
    """

    start: Callable[[torch.Size, int], State]
    result: Callable[[Step], State]


CHANNELS = Parts(lambda shape, axis: Owned(axis, np.arange(shape[axis])), owned_result)


def analyse(
    trace: Trace,
    layer: nn.Module,
    upstream: Upstream,
    axis: int | None,
    parts: Parts = CHANNELS,
) -> Analysis:
    """Follow the layer's channels through what comes after it, without computing anything.

    Parameters
    ----------
    trace
        The network's graph.
    layer
        The layer in the network.
    upstream
        Values that the operations after the layer read, watched while they were computed.
    axis
        Channel axis of the layer's output, None to find it.
    parts
        What is followed: channels, unless said otherwise.

    Raises
    ------
    Unsuitable
        If the graph cannot be followed so, or if what it overwrites makes it unsafe to use.
    """
    try:
        return _Analyst(trace, layer, upstream, axis, parts).run()
    except (Unsuitable, RequestError):
        raise
    except Exception as error:
        raise Unsuitable(
            f"what follows the layer cannot be followed without data ({first_line(error)})"
        ) from error


@dataclass
class _Analyst:
    trace: Trace
    layer: nn.Module
    upstream: Upstream
    axis: int | None
    parts: Parts
    mode: FakeTensorMode = field(default_factory=lambda: FakeTensorMode(allow_non_fake_inputs=True))
    values: dict[fx.Node, Any] = field(default_factory=dict)
    states: dict[fx.Node, State] = field(default_factory=dict)
    affected: dict[fx.Node, Affected] = field(default_factory=dict)
    flops: dict[fx.Node, int] = field(default_factory=dict)
    overwriting: list[tuple[fx.Node, list[fx.Node]]] = field(default_factory=list)
    real_storage: dict[int, int] = field(default_factory=dict)
    images: int = 1

    def run(self) -> Analysis:
        target, output = self.trace.target, self.trace.output
        activation = self.upstream.values[target]
        if not isinstance(activation, torch.Tensor):
            raise Unsuitable(f"the layer gives a {type(activation).__name__}")
        axis = channel_axis(self.layer, activation.shape, self.axis)
        self.images = activation.shape[0]
        for node, value in self.upstream.values.items():
            self.enter(node, value)
        self.states[target] = self.parts.start(activation.shape, axis)
        for node in self.trace.after:
            self.visit(node)
        self.refuse_hazards()
        return Analysis(
            trace=self.trace,
            axis=axis,
            shape=activation.shape,
            affected=self.affected,
            states=self.states,
            dtypes={node: pytree.tree_map(_dtype, value) for node, value in self.values.items()},
            needed=frozenset(_ancestors(output)),
            sizes={node: _entries(value) for node, value in self.values.items()},
            shapes={n: v.shape for n, v in self.values.items() if isinstance(v, torch.Tensor)},
            flops=self.flops,
            upstream_work=tuple(map(sum, zip(*self.upstream.work, strict=True))),  # type: ignore
        )

    def enter(self, node: fx.Node, value: Any) -> None:
        self.states[node] = None
        self.values[node] = pytree.tree_map_only(torch.Tensor, self.mode.from_tensor, value)
        for fake, real in zip(tensors(self.values[node]), tensors(value), strict=True):
            (own,), (shared,) = storages(fake), storages(real)
            self.real_storage[own] = shared

    def visit(self, node: fx.Node) -> None:
        module = node_module(self.trace, node)
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.values.__getitem__)
        before = {other: versions(self.values[other]) for other in node.all_input_nodes}
        with self.mode:
            value = run_operation(node, module, args, kwargs)
        self.values[node] = value
        self.flops[node] = operation_flops(node, module, args, value)
        self.states[node] = self.classify(node, module, value)
        overwritten = [n for n, seen in before.items() if versions(self.values[n]) != seen]
        if overwritten:
            touched = set().union(*(self.storages(self.values[n]) for n in overwritten))
            aliases = [n for n, v in self.values.items() if touched & self.storages(v)]
            self.overwriting.append((node, [n for n in aliases if n is not node]))
        if self.states[node] is not None:
            self.affected[node] = self.plan(node, module, bool(overwritten))

    def storages(self, value: Any) -> set[int]:
        return {self.real_storage.get(storage, storage) for storage in storages(value)}

    def classify(self, node: fx.Node, module: nn.Module | None, value: Any) -> State:
        if all(self.states[other] is None for other in node.all_input_nodes):
            return None
        name = operation(node, module)
        if name == "shape_query":
            return None
        leaves = pytree.tree_leaves(value)
        if not all(leaf is None or isinstance(leaf, torch.Tensor) for leaf in leaves):
            raise Unsuitable(f"{node.name} turns values after the layer into plain numbers")
        return self.parts.result(Step(node, module, name, self.states, self.values, value))

    def refuse_hazards(self) -> None:
        """Overwriting is harmless only if nobody reads the overwritten values afterwards.

        The execution never overwrites affected values, so later readers would see other values
        than in the network; values that are not affected are read late, for every channel, and
        so would be seen overwritten.
        """
        order = {node: number for number, node in enumerate(self.trace.target.graph.nodes)}
        for node, aliases in self.overwriting:
            for other in aliases:
                if any(order[user] > order[node] for user in other.users):
                    raise Unsuitable(f"{node.name} overwrites values that are read again")
        for node, aliases in self.upstream.overwriting:
            for other in aliases:
                late = any(user in self.affected for user in other.users)
                if late or other is self.trace.target:
                    raise Unsuitable(f"{node.name} overwrites values that are read again")

    def plan(self, node: fx.Node, module: nn.Module | None, mutates: bool) -> Affected:
        name, state, value = operation(node, module), self.states[node], self.values[node]
        what = Operation(node, module, name, mutates)
        own = module is None or name in LOWERED or not _has_tensors(module)
        leaves = [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]
        floating = all(leaf.is_floating_point() for leaf in leaves)
        if name == "unknown" or not own or not floating:
            return Affected(what, state, None)
        involved = [value, *(self.values[other] for other in node.all_input_nodes)]
        entries = max(map(_entries, involved))
        wide = torch.float32 if leaves[0].device.type == "mps" else torch.float64
        if isinstance(state, Apart | tuple):
            half = leaves[0].dtype.itemsize < 4
            light = self.flops[node] <= _WIDE_APART_FLOPS * self.images
            small = entries <= _WIDE_CHANNELWISE and light
            return Affected(what, state, wide if small else torch.float32 if half else None)
        small = entries < _WIDE_ENTRIES * self.images
        cheap = self.flops[node] <= _WIDE_FLOPS * self.images
        return Affected(what, state, wide if small and cheap else None)


def _ancestors(output: fx.Node) -> set[fx.Node]:
    found, waiting = {output}, [output]
    while waiting:
        for node in waiting.pop().all_input_nodes:
            if node not in found:
                found.add(node)
                waiting.append(node)
    return found


def _has_tensors(module: nn.Module) -> bool:
    return any(True for _ in (*module.parameters(), *module.buffers()))


def _entries(value: Any) -> int:
    return sum(tensor.numel() for tensor in tensors(value))


def _dtype(leaf: Any) -> torch.dtype | None:
    return leaf.dtype if isinstance(leaf, torch.Tensor) else None
