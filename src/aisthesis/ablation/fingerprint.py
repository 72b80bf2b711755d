"""What a network is at one moment, held weakly, to tell whether it has changed since.

Counted as the network: its modules and their classes, every attribute of theirs (parameters,
buffers, flags, hooks, and what their containers hold), whether a tensor was written into, and the
code of classes that are not torch's own with the variables that it reads.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as torch_module

__all__ = ["Fingerprint", "fingerprint"]

_PLAIN = (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.Size)
_FOREIGN = ("torch", "torchvision", "timm", "numpy", "builtins")  # nobody edits their code at work
_SMALL = 64  # entries of a tensor whose values are compared, since code may branch on them
_MOST_BYTES = 2**20  # of an array that are compared
_GLOBAL_HOOKS = [name for name in vars(torch_module) if name.startswith("_global_")]

Fingerprint = list[Any]


def fingerprint(model: nn.Module) -> Fingerprint:
    """Tokens of a network; two lists are equal only if nothing has changed between them.

    Nothing of the network is kept alive. Objects are compared by identity, so a list is equal to
    no later one when an object that it names is gone.
    """
    tokens: Fingerprint = []
    seen: set[int] = set()
    classes: dict[type, None] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        tokens.append(name)
        tokens.append(_Same(module))
        if id(module) in seen:
            continue
        seen.add(id(module))
        classes[type(module)] = None
        for key, value in vars(module).items():
            tokens.append(key)
            _add(tokens, value, seen)
    for kind in classes:
        _add_class(tokens, kind, seen)
    for name in _GLOBAL_HOOKS:
        _add(tokens, getattr(torch_module, name), seen)
    tokens += [torch.is_autocast_enabled(device) for device in ("cpu", "cuda")]
    return tokens


class _Same:
    """Equal to a token of the very same object, as long as that lives."""

    __slots__ = ("ref", "words")

    def __init__(self, value: Any) -> None:
        self.words = ""
        self.ref: Callable[[], Any] | None = None
        try:
            self.ref = weakref.ref(value)
        except TypeError:  # a range, a NumPy number: what it says of itself tells
            self.words = f"{type(value).__name__} {value!r}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or self.ref is None or other.ref is None:
            return isinstance(other, _Same) and self.ref is other.ref and self.words == other.words
        own = self.ref()
        return own is not None and own is other.ref()

    __hash__ = None  # type: ignore[assignment]


def _add(tokens: Fingerprint, value: Any, seen: set[int]) -> None:
    """Tokens of one value and of what it holds."""
    if isinstance(value, _PLAIN):
        tokens.append((type(value), value) if value == value else repr(value))  # NaN is itself
    elif isinstance(value, torch.Tensor):
        tokens.append(_Same(value))
        tokens.append(_tensor(value))
    elif isinstance(value, nn.Module):
        tokens.append(_Same(value))
    elif isinstance(value, types.MethodType):  # made anew at each look; what it is made of stays
        tokens.append(_Same(value.__self__))
        _add(tokens, value.__func__, seen)
    elif isinstance(value, types.FunctionType):
        _add_function(tokens, value, seen)
    elif isinstance(value, dict | list | tuple | set | frozenset):
        tokens.append((type(value), len(value)))
        if value and id(value) not in seen:
            seen.add(id(value))
            for part in _parts(value):
                _add(tokens, part, seen)
    else:
        tokens.append(_Same(value))
        if isinstance(value, np.ndarray):
            tokens.append((value.shape, value.dtype.str, _first_bytes(value)))
        elif hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
            own = vars(value)
            tokens += [(name, own[name]) for name in own if isinstance(own[name], _PLAIN)]


def _first_bytes(array: np.ndarray) -> bytes:
    """So much of an array as is compared, without a copy of all of it."""
    return array.reshape(-1)[: -(-_MOST_BYTES // max(array.itemsize, 1))].tobytes()[:_MOST_BYTES]


def _parts(container: Any) -> Iterator[Any]:
    if isinstance(container, dict):
        for key, value in container.items():
            yield key
            yield value
    else:
        yield from container


def _tensor(tensor: torch.Tensor) -> Any:
    """Where a tensor is and how often it was written into, and what a small one holds."""
    version = None if tensor.is_inference() else tensor._version
    try:
        small = tensor.numel() <= _SMALL and tensor.device.type == "cpu"
        values = repr(tensor.detach().tolist()) if small else None
        return tensor.data_ptr(), version, tensor.shape, tensor.dtype, tensor.device, values
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return version  # a tensor without memory: sparse, on no device, or not made yet


def _add_class(tokens: Fingerprint, kind: type, seen: set[int]) -> None:
    """Code of a class: its own functions, and those of the classes it is made from."""
    for base in kind.__mro__:
        foreign = base.__module__.partition(".")[0] in _FOREIGN
        for name, value in list(vars(base).items()):
            if isinstance(value, types.FunctionType) and (not foreign or name == "forward"):
                tokens.append(name)
                _add_function(tokens, value, seen)
            elif not foreign and not name.startswith("__") and not callable(value):
                tokens.append(name)
                _add(tokens, value, seen)


def _add_function(tokens: Fingerprint, function: types.FunctionType, seen: set[int]) -> None:
    """A function: itself, its code, its defaults, and the variables that it reads."""
    tokens.append(_Same(function))
    tokens.append(_Same(function.__code__))
    if id(function) in seen or function.__module__.partition(".")[0] in _FOREIGN:
        return
    seen.add(id(function))
    _add(tokens, function.__defaults__, seen)
    _add(tokens, function.__kwdefaults__, seen)
    for cell in function.__closure__ or ():
        try:
            _add(tokens, cell.cell_contents, seen)
        except ValueError:  # an empty cell
            tokens.append(None)
    for name in _names(function.__code__):
        if name in function.__globals__:
            tokens.append(name)
            _add(tokens, function.__globals__[name], seen)


def _names(code: types.CodeType) -> list[str]:
    """Names that code reads, functions inside it included."""
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return [*code.co_names, *(name for part in inner for name in _names(part))]
