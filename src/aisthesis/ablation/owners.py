"""Which target channel each entry of a tensor depends on: the abstract side of the analysis.

A tensor downstream of the target layer is either *owned* (along one axis, entry j depends on no
target channel but `owner[j]`, or on none where that is -1) or *mixed*. Every rule here proves
ownership of an operation's result from that of its inputs; what no rule proves is mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from aisthesis.ablation.ops import argument, words

__all__ = [
    "ALONG_AXIS",
    "BROADCASTING",
    "ELEMENTWISE",
    "MIXED",
    "REDUCTIONS",
    "STRUCTURAL",
    "Apart",
    "Mixed",
    "Owned",
    "State",
    "Step",
    "all_floating",
    "drops_out",
    "has_tensor",
    "only_first_affected",
    "owned_result",
    "run_operation",
]


class Apart:
    """Every entry depends on one part of the layer's output at most: a channel, or a place."""


@dataclass(frozen=True, eq=False)
class Owned(Apart):
    """Entry j of axis `axis` (counted from the front) depends on channel `owner[j]` alone."""

    axis: int
    owner: np.ndarray  # (shape[axis],) int64; -1: no channel of the target


@dataclass(frozen=True)
class Mixed:
    """Nothing is known: every entry may depend on every channel."""


MIXED = Mixed()
State = Apart | Mixed | tuple[Any, ...] | None
"""None: not affected. A tuple: an operation with several results, one state each."""


@dataclass(frozen=True)
class Step:
    """What a rule sees of one operation: its options, input states, and sample values."""

    node: fx.Node
    module: nn.Module | None
    name: str
    states: dict[fx.Node, State]
    values: dict[fx.Node, Any]
    result: Any
    inputs: list[tuple[Owned, torch.Size]] = field(default_factory=list)

    def option(self, position: int, name: str, default: Any = None) -> Any:
        """Value of an option, numbers in place of nodes that compute them."""
        return self.resolve(argument(self.node, self.module, position, name, default))

    def resolve(self, value: Any) -> Any:
        """Replace nodes by their sample values."""
        return fx.node.map_arg(value, lambda node: self.values[node])


Rule = Callable[[Step], State]
ELEMENTWISE = frozenset(
    words(
        "relu silu gelu hardswish hardsigmoid hardtanh relu6 leaky_relu elu selu celu mish sigmoid "
        "tanh softplus softsign tanhshrink logsigmoid threshold abs neg exp log log1p expm1 sqrt "
        "rsqrt square erf sin cos reciprocal identity"
    )
)
STRUCTURAL = frozenset(
    words(
        "flatten reshape view permute transpose movedim squeeze unsqueeze chunk split unbind roll "
        "flip narrow select tile unflatten expand repeat cat stack getitem channel_shuffle "
        "pixel_shuffle pixel_unshuffle"
    )
)
BROADCASTING = frozenset(words("add sub mul div pow maximum minimum clamp"))
REDUCTIONS = frozenset(words("mean sum amax amin var std logsumexp"))
ALONG_AXIS = {"softmax": -1, "log_softmax": -1, "softmin": -1, "normalize": 1}
_DROPOUT_TRAINING = {"dropout": 2, "alpha_dropout": 2, "stochastic_depth": 3}


def owned_result(step: Step) -> State:
    """State of an operation's result, MIXED unless a rule proves that it is owned."""
    for node in step.node.all_input_nodes:
        state = step.states[node]
        if isinstance(state, Owned):
            step.inputs.append((state, step.values[node].shape))
        elif state is not None and not (isinstance(state, tuple) and step.name == "getitem"):
            return MIXED
    rule = _rule(step.name)
    if not all_floating(step.result):
        return MIXED
    if rule is None or (rule is not _broadcasting and not only_first_affected(step)):
        return MIXED
    try:
        return rule(step)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError):
        return MIXED  # an unusual call of a known operation: nothing is proven


def all_floating(result: Any) -> bool:
    """Whether a value holds floating tensors alone."""
    return all(
        isinstance(value, torch.Tensor) and value.is_floating_point()
        for value in torch.utils._pytree.tree_leaves(result)
    )


def only_first_affected(step: Step) -> bool:
    """Whether affected tensors come in the first argument alone, each of them once."""
    first: list[fx.Node] = []
    rest: list[fx.Node] = []
    fx.node.map_arg(step.node.args[:1], lambda node: first.append(node))
    fx.node.map_arg((step.node.args[1:], step.node.kwargs), lambda node: rest.append(node))
    affected = [node for node in first if step.states[node] is not None]
    once = len(affected) == len(set(affected)) or step.name in ("cat", "stack")
    return bool(affected) and once and all(step.states[node] is None for node in rest)


def _rule(name: str) -> Rule | None:
    if name in ELEMENTWISE or name.startswith("elementwise:") or name == "to":
        return _elementwise
    if name in STRUCTURAL:
        return _structural
    if name in BROADCASTING:
        return _broadcasting
    if name in REDUCTIONS:
        return _reduction
    if name in ALONG_AXIS:
        return _along_axis
    if "_pool" in name or name == "interpolate":
        return _spatial
    return _RULES.get(name)


def _elementwise(step: Step) -> State:
    """One input, the same shape out: ownership is kept."""
    state, shape = step.inputs[0]
    if has_tensor(step.resolve((step.node.args[1:], step.node.kwargs))) and step.name != "to":
        return MIXED
    return state if step.result.shape == shape else MIXED


def drops_out(step: Step) -> bool:
    """Whether a call of dropout is not known to leave its input as it is."""
    if step.module is not None:
        return False  # a module is in evaluation mode here
    name = getattr(step.node.target, "__name__", "")
    return step.option(_DROPOUT_TRAINING.get(name, 2), "training", True) is not False


def _dropout(step: Step) -> State:
    return MIXED if drops_out(step) else step.inputs[0][0]


def _broadcasting(step: Step) -> State:
    """Arithmetic of tensors: owned operands must share their owners along one axis."""
    rank = len(step.result.shape)
    merged: Owned | None = None
    for state, shape in step.inputs:
        axis = state.axis + rank - len(shape)
        if shape[state.axis] != step.result.shape[axis]:
            return MIXED
        moved = Owned(axis, state.owner)
        if merged is None:
            merged = moved
            continue
        both = (merged.owner >= 0) & (state.owner >= 0) if merged.axis == axis else None
        if both is None or np.any(merged.owner[both] != state.owner[both]):
            return MIXED
        merged = Owned(axis, np.maximum(merged.owner, state.owner))
    return merged if merged is not None else MIXED


def _structural(step: Step) -> State:
    """Operations that only move entries: run them on labels and read the owners off."""

    def labels(node: fx.Node) -> Any:
        state, value = step.states[node], step.values[node]
        return _labels(state, value) if isinstance(value, torch.Tensor) else value

    source = step.node.args[0]
    if isinstance(source, fx.Node) and isinstance(step.states[source], tuple):
        return step.states[source][step.resolve(step.node.args[1])]  # type: ignore[index]
    if has_tensor(step.resolve((step.node.args[1:], step.node.kwargs))):
        return MIXED  # an index whose values are not known here
    args, kwargs = fx.node.map_arg((step.node.args, step.node.kwargs), labels)
    return _read(run_operation(step.node, step.module, args, kwargs), step.result)


def _labels(state: State, value: Any) -> torch.Tensor:
    """Tensor of the value's shape holding owner + 1, so that 0 means no channel."""
    if not isinstance(state, Owned):
        return torch.zeros((), dtype=torch.int32).expand(value.shape)
    shape = [1] * value.ndim
    shape[state.axis] = -1
    owner = torch.as_tensor(state.owner + 1, dtype=torch.int32)
    return owner.reshape(shape).expand(value.shape)


def _read(labels: Any, result: Any) -> State:
    if isinstance(labels, tuple | list):
        return tuple(_read(*pair) for pair in zip(labels, result, strict=True))
    if labels.shape != result.shape:
        return MIXED
    for axis in _likely_axes(labels.ndim):
        others = [dim for dim in range(labels.ndim) if dim != axis]
        highest = labels.amax(others) if others else labels
        shape = [1] * labels.ndim
        shape[axis] = -1
        if bool(((labels == highest.reshape(shape)) | (labels == 0)).all()):
            return Owned(axis, highest.numpy().astype(np.int64) - 1)
    return MIXED


def _likely_axes(rank: int) -> Iterator[int]:
    yield from (axis for axis in range(1, rank))
    if rank:
        yield 0


def has_tensor(index: Any) -> bool:
    """Whether there is a tensor among arguments, however nested."""
    found: list[Any] = []
    torch.utils._pytree.tree_map_only(torch.Tensor, found.append, index)
    return bool(found)


def _pad(step: Step) -> State:
    """Padding by a constant may even widen the channel axis; by reflection only other axes."""
    state, shape = step.inputs[0]
    mode = step.option(2, "mode", "constant")
    if mode == "constant":
        padded = torch.nn.functional.pad(
            _labels(state, torch.empty(shape, device="meta")), step.option(1, "pad")
        )
        return _read(padded, step.result)
    touched = len(step.option(1, "pad")) // 2
    return state if state.axis < len(shape) - touched else MIXED


def _spatial(step: Step) -> State:
    """Pools and interpolations act on the last axes only."""
    state, shape = step.inputs[0]
    spatial = len(shape) - 2 if step.name == "interpolate" else int(step.name[-2])
    if not isinstance(step.result, torch.Tensor) or state.axis >= len(shape) - spatial:
        return MIXED
    kept = step.result.ndim == len(shape)
    return state if kept and step.result.shape[state.axis] == shape[state.axis] else MIXED


def _reduction(step: Step) -> State:
    state, shape = step.inputs[0]
    dims = step.option(1, "dim")
    if dims is None or isinstance(dims, torch.Tensor | bool):
        return MIXED
    wanted = {int(dim) % len(shape) for dim in ([dims] if isinstance(dims, int) else dims)}
    if not wanted or state.axis in wanted:
        return MIXED
    gone = len(shape) - step.result.ndim
    if gone == 0:
        return state if step.result.shape[state.axis] == shape[state.axis] else MIXED
    if gone != len(wanted):
        return MIXED
    return Owned(state.axis - sum(dim < state.axis for dim in wanted), state.owner)


def _along_axis(step: Step) -> State:
    """Softmax and the like: entries meet along one axis only."""
    state, shape = step.inputs[0]
    position = 2 if step.name == "normalize" else 1
    default = ALONG_AXIS[step.name] if step.name == "normalize" else None
    dim = step.option(position, "dim", default)
    if dim is None or state.axis == int(dim) % len(shape):
        return MIXED
    return state if step.result.shape == shape else MIXED


def _batch_norm(step: Step) -> State:
    """Each channel has its own statistics, stored or of the batch."""
    state, shape = step.inputs[0]
    return state if state.axis == 1 and len(shape) > 1 else MIXED


def _instance_norm(step: Step) -> State:
    state, shape = step.inputs[0]
    batched = len(shape) >= 3
    if step.module is not None:  # the module also takes one image without a batch axis
        batched = len(shape) == int(type(step.module).__name__[-2]) + 2
    return state if state.axis == 1 and batched else MIXED


def _last_axis(step: Step) -> State:
    """A linear layer mixes the last axis only."""
    state, shape = step.inputs[0]
    if state.axis == len(shape) - 1:
        return MIXED
    return state if step.result.shape[:-1] == shape[:-1] else MIXED


def _layer_norm(step: Step) -> State:
    state, shape = step.inputs[0]
    normalised = step.option(1, "normalized_shape")
    count = 1 if isinstance(normalised, int) else len(normalised)
    apart = state.axis < len(shape) - count
    return state if apart and step.result.shape == shape else MIXED


def _group_norm(step: Step) -> State:
    state, _ = step.inputs[0]
    if state.axis != 1:
        return MIXED
    groups = np.split(state.owner, step.option(1, "num_groups"))
    owners = [_only_owner(group) for group in groups]
    if None in owners:
        return MIXED
    return Owned(1, np.repeat(np.asarray(owners), len(groups[0])))


def _convolution(step: Step) -> State:
    """Depthwise, or any grouping that keeps the target's channels apart."""
    state, shape = step.inputs[0]
    rank = int(step.name[-2]) + 2
    if state.axis != 1 or len(shape) != rank:
        return MIXED
    groups = np.split(state.owner, step.option(6, "groups", 1))
    owners = [_only_owner(group) for group in groups]
    if None in owners:
        return MIXED
    return Owned(1, np.repeat(np.asarray(owners), step.result.shape[1] // len(groups)))


def _only_owner(group: np.ndarray) -> int | None:
    """The one channel that a group of entries depends on, -1 for none, None for several."""
    owners = np.unique(group[group >= 0])
    if len(owners) > 1:
        return None
    return int(owners[0]) if len(owners) else -1


def run_operation(
    node: fx.Node, module: nn.Module | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Do what a node does, on the arguments given."""
    if module is not None:
        return module(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


_RULES: dict[str, Rule] = {
    "dropout": _dropout,
    "pad": _pad,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "linear": _last_axis,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
}
