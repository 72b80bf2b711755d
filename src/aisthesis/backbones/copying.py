"""A copy of a network that nothing ties to the original."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from aisthesis.errors import RequestError

__all__ = ["independent_copies"]

_DEPTH = 6  # containers, cells and objects that lie inside each other


def independent_copies(module: nn.Module, embed: Any) -> tuple[nn.Module, Any]:
    """Copy a network and, with it, what makes an embedding of its output if that is a module.

    Python copies no function: one that holds the network, as hooks often do, would go on reading
    and writing the original. Functions that hold it by a closure are made anew for the copy.

    Raises
    ------
    RequestError
        If it cannot be copied, or a function in it refers to the original in another way.
    """
    memo: dict[int, Any] = {id(t): t.detach().clone() for t in _results(module)}
    try:
        copied = copy.deepcopy(module, memo)
        embedded = copy.deepcopy(embed, memo) if isinstance(embed, nn.Module) else embed
    except (RuntimeError, TypeError) as error:
        raise RequestError(
            f"this {type(module).__name__} cannot be copied ({error}); with copy=False it is "
            "handed over and frozen in place"
        ) from error
    memo.pop(id(memo), None)  # the list that keeps the originals alive
    embedded = _remade(embedded, memo)
    for root in (copied, embedded) if isinstance(embedded, nn.Module) else (copied,):
        for part in root.modules():
            for table in (vars(part), *(v for k, v in vars(part).items() if k.endswith("_hooks"))):
                table.update({key: _remade(value, memo) for key, value in table.items()})
    for what, function in _functions(copied, embedded):
        if _reaches(function, memo, _DEPTH, set()):
            raise RequestError(
                f"{what} of this {type(module).__name__} refers to the network itself, so a copy "
                "of the network would still read and write the original; with copy=False it is "
                "handed over and frozen in place"
            )
    return copied, embedded


def _results(module: nn.Module) -> Iterator[torch.Tensor]:
    """Tensors that an earlier pass with gradients has left, which Python does not copy."""
    waiting: list[Any] = [value for part in module.modules() for value in vars(part).values()]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor) and not value.is_leaf:
            yield value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _remade(value: Any, memo: dict[int, Any]) -> Any:
    """A function whose closure holds the copies in the place of the originals."""
    if not isinstance(value, types.FunctionType) or not value.__closure__:
        return value
    cells = []
    for cell in value.__closure__:
        held = cell.cell_contents if _is_filled(cell) else None
        mine = memo.get(id(held), _remade(held, memo)) if held is not value else held
        cells.append(cell if mine is held else types.CellType(mine))
    if all(new is old for new, old in zip(cells, value.__closure__, strict=True)):
        return value
    made = types.FunctionType(
        value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells)
    )
    made.__kwdefaults__ = value.__kwdefaults__
    return functools.update_wrapper(made, value)


def _functions(module: nn.Module, embed: Any) -> Iterator[tuple[str, Any]]:
    """Everything in a copy that may be a function, and how to call it in a message."""
    for root in (module, embed) if isinstance(embed, nn.Module) else (module,):
        for path, part in root.named_modules():
            where = f"module {path!r}" if path else "the network"
            for name, value in vars(part).items():
                if name.endswith("_hooks") and isinstance(value, dict):
                    for hook in value.values():
                        yield f"the hook {_name(hook)} on {where}", hook
                elif callable(value) and not isinstance(value, nn.Module | type):
                    yield f"the function {name} of {where}", value
                elif isinstance(value, list | dict | tuple):
                    yield f"a function in {name} of {where}", value
    if not isinstance(embed, nn.Module) and callable(embed):
        yield f"embed ({_name(embed)})", embed


def _reaches(value: Any, originals: dict[int, Any], depth: int, seen: set[int]) -> bool:
    """Whether a function, or one inside the value, holds something that was copied."""
    if id(value) in originals and originals[id(value)] is not value:
        return True
    if depth == 0 or id(value) in seen or isinstance(value, types.ModuleType | type | nn.Module):
        return False
    seen.add(id(value))
    return any(_reaches(part, originals, depth - 1, seen) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, types.MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        used = [value.__globals__[name] for name in _names(value.__code__)
                if name in value.__globals__]  # fmt: skip
        defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return [*cells, *defaults, *used]
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set):
        return list(value)
    return list(getattr(value, "__dict__", {}).values())


def _names(code: types.CodeType) -> set[str]:
    """Global names that a function's code uses, and functions written inside it."""
    inner = (each for each in code.co_consts if isinstance(each, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
