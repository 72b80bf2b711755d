"""Which place each entry of a tensor depends on: the rules that prove places are kept apart.

The twin of `owners`, where an entry's channel is told by its position along one axis. Places may
lie along two axes, one, or be spread over one by a flattening, so here every value has labels:
place + 1 for each entry, 0 for none. What no rule proves is mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from aisthesis.ablation.owners import (
    ALONG_AXIS,
    BROADCASTING,
    ELEMENTWISE,
    MIXED,
    REDUCTIONS,
    STRUCTURAL,
    Apart,
    State,
    Step,
    all_floating,
    drops_out,
    has_tensor,
    only_first_affected,
    run_operation,
)

__all__ = ["Placed", "placed_result"]


@dataclass(frozen=True, eq=False)
class Placed(Apart):
    """Every entry depends on the place `labels` - 1 alone, or on none where that is 0.

    `labels` (int32) has the value's rank, and size 1 along each axis where they do not differ.
    """

    labels: torch.Tensor


def placed_result(step: Step) -> State:
    """State of an operation's result, MIXED unless a rule proves that places are kept apart."""
    for node in step.node.all_input_nodes:
        state = step.states[node]
        several = isinstance(state, tuple) and step.name == "getitem"
        if state is not None and not isinstance(state, Placed) and not several:
            return MIXED
    rule = _rule(step.name)
    if rule is None or not all_floating(step.result):
        return MIXED
    if rule is not _broadcasting and not only_first_affected(step):
        return MIXED
    try:
        return rule(step)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError):
        return MIXED  # an unusual call of a known operation: nothing is proven


def _rule(name: str) -> Callable[[Step], State] | None:
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


def _only(step: Step) -> torch.Tensor:
    """Labels of the one affected input."""
    (state,) = {step.states[n] for n in step.node.all_input_nodes if step.states[n] is not None}
    if not isinstance(state, Placed):
        raise TypeError
    return state.labels


def _kept(step: Step, *constant_axes: int) -> State:
    """The same labels, if they fit the result and do not differ along axes that are mixed."""
    labels = _only(step)
    apart = all(labels.shape[axis] == 1 for axis in constant_axes)
    return Placed(labels) if apart and _fit(labels, step.result) else MIXED


def _fit(labels: torch.Tensor, result: torch.Tensor) -> bool:
    return labels.ndim == result.ndim and all(
        own in (1, size) for own, size in zip(labels.shape, result.shape, strict=True)
    )


def _elementwise(step: Step) -> State:
    others = step.resolve((step.node.args[1:], step.node.kwargs))
    if step.name != "to" and has_tensor(others):
        return MIXED
    return _kept(step)


def _dropout(step: Step) -> State:
    return MIXED if drops_out(step) else _kept(step)


def _broadcasting(step: Step) -> State:
    """Arithmetic of tensors: affected operands must agree on the place of every entry."""
    rank = step.result.ndim
    merged: torch.Tensor | None = None
    for node in dict.fromkeys(step.node.all_input_nodes):
        state = step.states[node]
        if not isinstance(state, Placed):
            continue
        own = state.labels.reshape(*[1] * (rank - state.labels.ndim), *state.labels.shape)
        if merged is None:
            merged = own
            continue
        if bool(((own != merged) & (own > 0) & (merged > 0)).any()):
            return MIXED
        merged = torch.maximum(own, merged)
    return Placed(merged) if merged is not None and _fit(merged, step.result) else MIXED


def _structural(step: Step) -> State:
    """Operations that only move entries: run them on labels."""
    source = step.node.args[0]
    if isinstance(source, torch.fx.Node) and isinstance(step.states[source], tuple):
        return step.states[source][step.resolve(step.node.args[1])]  # type: ignore[index]
    if has_tensor(step.resolve((step.node.args[1:], step.node.kwargs))):
        return MIXED  # an index whose values are not known here

    def labels(node: torch.fx.Node) -> Any:
        state, value = step.states[node], step.values[node]
        if not isinstance(value, torch.Tensor):
            return value
        if isinstance(state, Placed):
            return state.labels.expand(value.shape)
        return torch.zeros((), dtype=torch.int32).expand(value.shape)

    args, kwargs = torch.fx.node.map_arg((step.node.args, step.node.kwargs), labels)
    return _read(run_operation(step.node, step.module, args, kwargs), step.result)


def _read(labels: Any, result: Any) -> State:
    if isinstance(labels, tuple | list):
        return tuple(_read(*pair) for pair in zip(labels, result, strict=True))
    if labels.shape != result.shape:
        return MIXED
    for axis in range(labels.ndim):
        first = labels.narrow(axis, 0, 1)
        if bool((labels == first).all()):
            labels = first
    return Placed(labels.clone())


def _reduction(step: Step) -> State:
    """Sums and the like over axes along which the place does not differ."""
    labels = _only(step)
    dims = step.option(1, "dim")
    if dims is None or isinstance(dims, torch.Tensor | bool):
        return MIXED
    wanted = {int(dim) % labels.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    if not wanted or any(labels.shape[axis] > 1 for axis in wanted):
        return MIXED
    if step.result.ndim != labels.ndim:
        for axis in sorted(wanted, reverse=True):
            labels = labels.squeeze(axis)
    return Placed(labels) if _fit(labels, step.result) else MIXED


def _along_axis(step: Step) -> State:
    """Softmax and the like: entries meet along one axis only."""
    position = 2 if step.name == "normalize" else 1
    default = ALONG_AXIS[step.name] if step.name == "normalize" else None
    dim = step.option(position, "dim", default)
    return MIXED if dim is None else _kept(step, int(dim))


def _spatial(step: Step) -> State:
    """Pools that leave a map of the same size as it is, or act where no places are."""
    labels = _only(step)
    spatial = labels.ndim - 2 if step.name == "interpolate" else int(step.name[-2])
    if not isinstance(step.result, torch.Tensor) or step.result.ndim != labels.ndim:
        return MIXED
    (source,) = {n for n in step.node.all_input_nodes if step.states[n] is not None}
    same_size = step.values[source].shape[-spatial:] == step.result.shape[-spatial:]
    if step.name.startswith("adaptive") and same_size:
        return _kept(step)
    return _kept(step, *range(labels.ndim - spatial, labels.ndim))


def _batch_norm(step: Step) -> State:
    """With stored statistics every entry is scaled by itself."""
    if step.module is not None:
        stored = step.module.running_var is not None and not step.module.training
    else:
        stored = not step.option(5, "training", False)
    return _kept(step) if stored else MIXED


def _instance_norm(step: Step) -> State:
    return _kept(step, *range(2, step.result.ndim)) if step.result.ndim > 2 else MIXED


def _layer_norm(step: Step) -> State:
    normalised = step.option(1, "normalized_shape")
    count = 1 if isinstance(normalised, int) else len(normalised)
    return _kept(step, *range(-count, 0))


def _last_axis(step: Step) -> State:
    """A linear layer mixes the last axis only."""
    return _kept(step, -1)


def _convolution(step: Step) -> State:
    """A kernel of one entry keeps places apart, with a stride it leaves some out."""
    labels = _only(step)
    rank = int(step.name[-2])
    weight: Any = step.module.weight if step.module is not None else step.option(1, "weight")
    padding = step.option(4, "padding", 0)
    none = padding in (0, "valid") or (
        isinstance(padding, tuple | list) and not any(padding)
    )  # "same" adds none either, but says so in words
    if labels.ndim != rank + 2 or labels.shape[1] != 1:
        return MIXED
    if any(size != 1 for size in weight.shape[2:]) or not (none or padding == "same"):
        return MIXED
    stride = step.option(3, "stride", 1)
    strides = [stride] * rank if isinstance(stride, int) else list(stride) * (rank // len(stride))
    for axis, by in enumerate(strides, start=2):
        if labels.shape[axis] > 1:
            labels = labels[(slice(None),) * axis + (slice(None, None, by),)]
    return Placed(labels) if _fit(labels, step.result) else MIXED


def _pad(step: Step) -> State:
    labels = _only(step)
    if step.option(2, "mode", "constant") != "constant":
        return MIXED
    (source,) = {n for n in step.node.all_input_nodes if step.states[n] is not None}
    whole = labels.expand(step.values[source].shape)
    return _read(F.pad(whole, step.option(1, "pad")), step.result)


_RULES: dict[str, Callable[[Step], State]] = {
    "dropout": _dropout,
    "pad": _pad,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "linear": _last_axis,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
}
