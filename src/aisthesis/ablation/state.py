"""What a network holds at one moment, so that passes of its own code leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any, Literal

import torch
from torch import nn

__all__ = ["Kept", "NetworkState", "every_module", "state_kept"]

Kept = Literal["none", "buffers", "all"]
"""Tensors that are copied, to undo writing into them: none, all but parameters, or all."""

_CONTAINERS = (list, dict, set)


class NetworkState:
    """Attributes, containers and tensors of every module of a network.

    Parameters
    ----------
    model : Module
        The network.
    tensors : {"none", "buffers", "all"}
        Which tensors to copy; writing into others cannot be undone. Buffers include tensors that
        are plain attributes.
    """

    def __init__(self, model: nn.Module, tensors: Kept = "buffers") -> None:
        # a scripted module holds its attributes outside Python; only its tensors can be kept
        modules = [m for m in every_module(model) if not isinstance(m, torch.jit.ScriptModule)]
        tables = [table for module in modules for table in _tables(module)]
        self._tables = [(table, dict(table)) for table in tables]
        inner = _containers(tables)
        # a deep network has thousands of containers, nearly all of them empty
        self._containers = [(one, one.copy()) for one in inner if one]
        self._empty = [one for one in inner if not one]
        self._moved: list[torch.Tensor] = []
        self._copies: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}
        if tensors != "none":
            held = (value for table in (*tables, *inner) if table for value in _values(table))
            found = [v for v in held if isinstance(v, torch.Tensor) and _is_plain(v)]
            found += list(model.buffers())
            found += list(model.parameters()) if tensors == "all" else []
            self._copies = {
                id(t): (t, t.data, t.detach().clone()) for t in found if _can_be_kept(t)
            }

    @property
    def moved(self) -> Kept:
        """Which kind of tensors had to be put back so far, the least that undoes it."""
        if any(isinstance(tensor, nn.Parameter) for tensor in self._moved):
            return "all"
        return "buffers" if self._moved else "none"

    def restore(self) -> None:
        """Put everything back."""
        self._put_back(caches=False)

    def rewind(self) -> None:
        """Put everything back but what was first made since: a grid or mask that is kept."""
        self._put_back(caches=True)

    def _put_back(self, caches: bool) -> None:
        for table, kept in self._tables:
            if not _same(table, kept):
                made = {k: v for k, v in table.items() if caches and kept.get(k) is None}
                table.clear()
                table.update({**kept, **made})
        for container, before in self._containers:
            _refill(container, before, caches)
        if any(self._empty):
            for container in self._empty:
                _refill(container, type(container)(), caches)
        for tensor, data, copy in self._copies.values():
            if _moved(tensor, data, copy):
                self._moved.append(tensor)
                if tensor.data_ptr() != data.data_ptr() or tensor.shape != data.shape:
                    tensor.data = data
                with torch.no_grad():
                    tensor.copy_(copy)


@contextmanager
def state_kept(model: nn.Module, tensors: Kept = "buffers") -> Iterator[NetworkState]:
    """Whatever the network's own code does to its modules is undone on the way out."""
    state = NetworkState(model, tensors)
    try:
        yield state
    finally:
        state.restore()


def every_module(model: nn.Module) -> list[nn.Module]:
    """A network and all modules within it, each once; `modules()` of a deep one takes long."""
    found = {id(model): model}
    waiting = [model]
    while waiting:
        for inner in waiting.pop()._modules.values():
            if inner is not None and id(inner) not in found:
                found[id(inner)] = inner
                waiting.append(inner)
    return list(found.values())


def _tables(module: nn.Module) -> tuple[dict[str, Any], ...]:
    return vars(module), module._parameters, module._buffers, module._modules


def _containers(tables: list[dict[str, Any]]) -> list[Any]:
    """Lists, dicts and sets among the tables' values, and those inside them, but no tables."""
    found: dict[int, Any] = {id(table): table for table in tables}
    waiting = [v for table in tables for v in table.values() if isinstance(v, _CONTAINERS)]
    while waiting:
        value = waiting.pop()
        if id(value) not in found:
            found[id(value)] = value
            if value:
                waiting.extend(v for v in _values(value) if isinstance(v, _CONTAINERS))
    return list(found.values())[len({id(table) for table in tables}) :]


def _values(container: Any) -> Iterator[Any]:
    return iter(list(container.values() if isinstance(container, dict) else container))


def _same(table: dict[Any, Any], kept: dict[Any, Any]) -> bool:
    """Whether a table still holds the same objects, in the same order."""
    return (
        len(table) == len(kept)
        and all(map(is_, table.values(), kept.values()))
        and list(table) == list(kept)
    )


def _refill(container: Any, kept: Any, caches: bool) -> None:
    if isinstance(container, dict):
        if not _same(container, kept):
            made = {k: v for k, v in container.items() if caches and k not in kept}
            container.clear()
            container.update({**kept, **made})
    elif isinstance(container, list):
        if len(container) != len(kept) or not all(map(is_, container, kept)):
            container[:] = kept
    elif container != kept:
        container.clear()
        container.update(kept)


def _is_plain(tensor: torch.Tensor) -> bool:
    """Neither a parameter nor of a class of its own."""
    return type(tensor) is torch.Tensor or isinstance(tensor, nn.Buffer)


def _can_be_kept(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_inference()


def _moved(tensor: torch.Tensor, data: torch.Tensor, copy: torch.Tensor) -> bool:
    if tensor.data_ptr() != data.data_ptr() or tensor.shape != copy.shape:
        return True
    try:
        return not torch.equal(tensor, copy)
    except RuntimeError:  # a type without comparison, such as float8
        return not torch.equal(_bytes(tensor), _bytes(copy))


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
