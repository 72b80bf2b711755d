"""Differences carried through operations, without subtracting two large numbers.

An affected tensor is a pair: its value `a` in the intact network and the change `d` that the
removal causes. Operations that are linear act on `d` alone; ReLU has an exact form; every other
operation gives op(a + d) - op(a).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.utils import _pytree as pytree

from aisthesis.ablation.ops import argument, words
from aisthesis.ablation.owners import run_operation

__all__ = ["LOWERED", "Operation"]

Cast = Callable[[torch.Tensor], torch.Tensor]
Values = dict[fx.Node, Any]

# operations that are linear in their first argument and have no constant term
_LINEAR = frozenset(
    words(
        "flatten reshape view permute transpose movedim squeeze unsqueeze chunk split unbind roll "
        "flip narrow select tile unflatten expand repeat getitem channel_shuffle pixel_shuffle "
        "pixel_unshuffle identity dropout neg mean sum unfold to avg_pool1d avg_pool2d avg_pool3d "
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d"
    )
)


def _linear(module: Any, x: torch.Tensor, cast: Cast, bias: bool) -> torch.Tensor:
    return F.linear(x, cast(module.weight), _cast(module.bias, cast) if bias else None)


def _convolution(module: Any, x: torch.Tensor, cast: Cast, bias: bool) -> torch.Tensor:
    own_bias = _cast(module.bias, cast) if bias else None
    return module._conv_forward(x, cast(module.weight), own_bias)


def _batch_norm(module: Any, x: torch.Tensor, cast: Cast, bias: bool) -> torch.Tensor:
    weight, own_bias = _cast(module.weight, cast), _cast(module.bias, cast)
    mean, variance = _cast(module.running_mean, cast), _cast(module.running_var, cast)
    if bias:
        stored = mean is not None
        return F.batch_norm(x, mean, variance, weight, own_bias, not stored, 0.0, module.eps)
    return _batch_norm_change(x, cast(module.running_var), weight, module.eps)


def _layer_norm(module: Any, x: torch.Tensor, cast: Cast, bias: bool) -> torch.Tensor:
    weight, own_bias = _cast(module.weight, cast), _cast(module.bias, cast)
    return F.layer_norm(x, module.normalized_shape, weight, own_bias, module.eps)


def _group_norm(module: Any, x: torch.Tensor, cast: Cast, bias: bool) -> torch.Tensor:
    weight, own_bias = _cast(module.weight, cast), _cast(module.bias, cast)
    return F.group_norm(x, module.num_groups, weight, own_bias, module.eps)


LOWERED: dict[str, Callable[[Any, torch.Tensor, Cast, bool], torch.Tensor]] = {
    "linear": _linear,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
}
"""Modules with parameters that can be computed in another precision than their own."""


@dataclass(frozen=True)
class Operation:
    """One affected operation, ready to run on values and on changes.

    `mutates` says that the network overwrites one of its inputs; here it never does.
    """

    node: fx.Node
    module: nn.Module | None
    name: str
    mutates: bool

    def value(self, operands: Values, cast: Cast) -> Any:
        """Result in the intact network."""
        if self.module is not None and self.name in LOWERED:
            return LOWERED[self.name](self.module, operands[self._first()], cast, True)
        if self.mutates:
            operands = pytree.tree_map_only(torch.Tensor, torch.clone, operands)
        args, kwargs = fx.node.map_arg((self.node.args, self.node.kwargs), operands.__getitem__)
        return run_operation(self.node, self.module, args, kwargs)

    def change(
        self, base: Values, changes: Values, result: Any, cast: Cast, after: Any = None
    ) -> Any:
        """Change of the result.

        Parameters
        ----------
        base
            Intact value of every input.
        changes
            Change of every affected input.
        result
            Intact result.
        cast
            Brings parameters to the precision of the computation.
        after
            Result after the removal, where it is known already.
        """
        kernel = _KERNELS.get(self.name)
        if kernel is None and self.name in _LINEAR:
            kernel = _on_change_alone
        if kernel is not None and _floating(result) and _floating(list(changes.values())):
            change = kernel(_Situation(self, base, changes, result, cast))
            if change is not None:
                return change
        if after is None:
            shifted = {n: pytree.tree_map(_after, base[n], d) for n, d in changes.items()}
            after = self.value({**base, **shifted}, cast)
        return pytree.tree_map(_change, after, result)

    def _first(self) -> fx.Node:
        return self.node.all_input_nodes[0]


@dataclass(frozen=True)
class Replaced:
    """What a tensor that cannot be subtracted (a mask, an index) becomes by the removal."""

    value: Any


@dataclass(frozen=True)
class _Situation:
    operation: Operation
    base: Values
    changes: Values
    result: Any
    cast: Cast

    @property
    def args(self) -> tuple[Any, ...]:
        return self.operation.node.args

    def only_first(self) -> bool:
        rest: list[fx.Node] = []
        node = self.operation.node
        fx.node.map_arg((node.args[1:], node.kwargs), lambda other: rest.append(other))
        return not any(other in self.changes for other in rest)

    def operand(self, position: int) -> tuple[Any, Any]:
        """Intact value and change (None: unaffected) of a positional argument."""
        argument = self.args[position]
        if isinstance(argument, fx.Node):
            return self.base[argument], self.changes.get(argument)
        return argument, None

    def is_call_of(self, arity: int, *keywords: str) -> bool:
        """Whether the call has `arity` positional arguments and no other keywords than these."""
        return len(self.args) == arity and set(self.operation.node.kwargs) <= set(keywords)


Kernel = Callable[[_Situation], Any]  # None: not this kind of call after all


def _on_change_alone(s: _Situation) -> Any:
    return s.operation.value({**s.base, **s.changes}, s.cast) if s.only_first() else None


def _joined(s: _Situation) -> Any:
    """Concatenation: what is not affected does not change."""
    zeros = {
        node: torch.zeros_like(value)
        for node, value in s.base.items()
        if isinstance(value, torch.Tensor)
    }
    return s.operation.value({**s.base, **zeros, **s.changes}, s.cast)


def _relu(s: _Situation) -> Any:
    """max(a + d, 0) - max(a, 0) = max(d + min(a, 0), -max(a, 0)), free of cancellation."""
    ((node, change),) = s.changes.items()
    value = s.base[node]
    return torch.maximum(change + value.clamp(max=0), -value.clamp(min=0))


def _sum(s: _Situation) -> Any:
    if not s.is_call_of(2, "alpha"):
        return None
    alpha: Any = s.operation.node.kwargs.get("alpha", 1)
    sign = -1 if s.operation.name == "sub" else 1
    (_, first), (_, second) = s.operand(0), s.operand(1)
    if second is not None:
        scaled = second if alpha * sign == 1 else second * (alpha * sign)
        first = scaled if first is None else first + scaled
    return None if first is None else first.broadcast_to(s.result.shape)


def _product(s: _Situation) -> Any:
    if not s.is_call_of(2):
        return None
    times = torch.matmul if s.operation.name in ("matmul", "bmm") else torch.mul
    (x, dx), (y, dy) = s.operand(0), s.operand(1)
    if dx is None:
        return times(x, dy)
    if dy is None:
        return times(dx, y)
    return times(dx, y) + times(x, dy) + times(dx, dy)


def _quotient(s: _Situation) -> Any:
    if not s.is_call_of(2):
        return None
    (_, change), (divisor, divisor_change) = s.operand(0), s.operand(1)
    return None if divisor_change is not None or change is None else change / divisor


def _affine(s: _Situation) -> Any:
    """Linear layers and convolutions without their bias."""
    operation = s.operation
    if not s.only_first():
        return None
    ((_, change),) = s.changes.items()
    if operation.module is not None:
        return LOWERED[operation.name](operation.module, change, s.cast, False)
    if len(s.args) < 2:
        return None
    args, kwargs = fx.node.map_arg((s.args, operation.node.kwargs), s.base.__getitem__)
    options = {name: value for name, value in kwargs.items() if name != "bias"}
    return operation.node.target(change, args[1], None, *args[3:], **options)  # type: ignore[operator]


def _normalised(s: _Situation) -> Any:
    """BatchNorm with stored statistics scales the change."""
    operation = s.operation
    if not s.only_first():
        return None
    ((_, change),) = s.changes.items()
    if operation.module is not None:
        stored = operation.module.running_var is not None
        return _batch_norm(operation.module, change, s.cast, False) if stored else None
    node = operation.node
    if argument(node, None, 5, "training", False):
        return None
    options = (argument(node, None, 2, "running_var"), argument(node, None, 3, "weight"))
    variance, weight = fx.node.map_arg(options, s.base.__getitem__)
    return _batch_norm_change(change, variance, weight, argument(node, None, 7, "eps", 1e-5))


def _batch_norm_change(
    change: torch.Tensor, variance: torch.Tensor, weight: torch.Tensor | None, eps: float
) -> torch.Tensor:
    scale = torch.rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight
    return change * scale.reshape(-1, *[1] * (change.ndim - 2))


def _cast(tensor: torch.Tensor | None, cast: Cast) -> torch.Tensor | None:
    return None if tensor is None else cast(tensor)


def _floating(values: Any) -> bool:
    return all(
        isinstance(value, torch.Tensor) and value.is_floating_point()
        for value in pytree.tree_leaves(values)
    )


def _after(value: Any, change: Any) -> Any:
    return change.value if isinstance(change, Replaced) else value + change


def _change(after: Any, before: Any) -> Any:
    if isinstance(after, torch.Tensor) and (after.is_floating_point() or after.is_complex()):
        return after - before
    return Replaced(after)


_KERNELS: dict[str, Kernel] = {
    "relu": _relu,
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "matmul": _product,
    "bmm": _product,
    "div": _quotient,
    "cat": _joined,
    "stack": _joined,
    "linear": _affine,
    "conv1d": _affine,
    "conv2d": _affine,
    "conv3d": _affine,
    "batch_norm": _normalised,
}
