"""Plans that calls without a plan of their own make once and use again.

A plan refers to its network, so keeping it would keep the network. Here every module in a plan is
replaced by a weak reference while it is not in use. A plan is used again for the same network,
request, and shape, type and device of images, if the network's fingerprint is what it was.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from aisthesis.ablation.fingerprint import Fingerprint, fingerprint

__all__ = ["kept_plan"]

Plan = TypeVar("Plan")

_MOST = 16  # plans; they are small, since weights are not in them


@dataclass(frozen=True)
class _Kept:
    model: weakref.ref[nn.Module]
    request: Hashable
    state: Fingerprint
    plan: Any  # without modules


_plans: list[_Kept] = []  # the one used last is the last
_lock = threading.Lock()


def kept_plan(
    model: nn.Module, request: tuple[Hashable, ...], x: torch.Tensor, make: Callable[[], Plan]
) -> Plan:
    """A plan made before, if it still holds; else a new one, which is kept.

    Parameters
    ----------
    model : Module
        The network.
    request
        What is asked of the plan: its kind, the layer, and options.
    x : (N, ...)
        Images; a plan is used for those of one shape, type and device.
    make
        Makes the plan.
    """
    if not isinstance(x, torch.Tensor) or not isinstance(model, nn.Module):
        return make()  # it says what is wrong
    whole = (*request, x.shape, x.dtype, x.device)
    state = _state(model)
    if state is None:
        return make()
    with _lock:
        known = next((k for k in _plans if k.model() is model and k.request == whole), None)
        if known is not None:
            _plans.remove(known)
            if known.state == state:
                _plans.append(known)
                return _with_modules(known.plan)
    plan = make()
    after = _state(model)
    if after is None:
        return plan
    bare = _without_modules(plan, model)
    kept = _Kept(weakref.ref(model, _drop), whole, after, bare)
    with _lock:
        _plans.append(kept)
        del _plans[:-_MOST]
    return plan


def _state(model: nn.Module) -> Fingerprint | None:
    try:
        return fingerprint(model)
    except Exception:  # noqa: BLE001  an odd attribute of the user's: plan anew each time
        return None


def _drop(gone: weakref.ref[nn.Module]) -> None:
    """Forget the plans of a network that is no more."""
    _plans[:] = [kept for kept in _plans if kept.model is not gone]


class _Root:
    """A module made for a plan (the one that a graph's names start from), its parts held weakly."""

    def __init__(self, module: nn.Module, own: set[int]) -> None:
        self.bare = copy.copy(module)
        self.bare.__dict__ = dict(vars(module))
        self.bare._modules = {}
        self.parts = {
            name: weakref.ref(part) if id(part) in own else part
            for name, part in module._modules.items()
            if part is not None
        }

    def module(self) -> nn.Module:
        """The module with its parts."""
        whole = copy.copy(self.bare)
        whole.__dict__ = dict(vars(self.bare))
        whole._modules = {
            name: part() if isinstance(part, weakref.ref) else part
            for name, part in self.parts.items()
        }
        return whole


def _without_modules(plan: Any, model: nn.Module) -> Any:
    own = {id(module) for module in model.modules()}

    def replaced(value: Any) -> Any:
        if not isinstance(value, nn.Module):
            return value
        return weakref.ref(value) if id(value) in own else _Root(value, own)

    return _mapped(plan, replaced, {})


def _with_modules(plan: Any) -> Any:
    def replaced(value: Any) -> Any:
        if isinstance(value, _Root):
            return value.module()
        return value() if isinstance(value, weakref.ref) else value

    return _mapped(plan, replaced, {})


def _mapped(value: Any, leaf: Callable[[Any], Any], known: dict[int, tuple[Any, Any]]) -> Any:
    """A value with its leaves replaced, as new objects where anything in them is; shared once."""
    if id(value) in known:
        return known[id(value)][1]
    result: Any
    if isinstance(value, dict):
        result = {key: _mapped(part, leaf, known) for key, part in value.items()}
    elif isinstance(value, list | tuple) and type(value) in (list, tuple):
        result = type(value)(_mapped(part, leaf, known) for part in value)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: getattr(value, f.name) for f in fields(value)}
        mapped = {name: _mapped(part, leaf, known) for name, part in parts.items()}
        changed = any(mapped[name] is not part for name, part in parts.items())
        result = type(value)(**mapped) if changed else value
    else:
        result = leaf(value)
    known[id(value)] = (value, result)  # the value itself, so that its number stays its own
    return result
