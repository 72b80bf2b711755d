"""What a user's part is, as a digest of its source and of all it holds, weights included."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import re
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aisthesis.provenance.sources import imported_names, module_file

__all__ = ["identity", "own_sources"]

# Their versions are recorded; a part that uses them need not be digested with all of them.
_LIBRARIES = frozenset(
    {"aisthesis", "captum", "numpy", "pandas", "PIL", "pydantic", "scipy", "skimage", "sklearn",
     "timm", "torch", "torchvision", "xarray"}
)  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def identity(part: Any) -> str:
    """Digest of a part: equal where its source, its settings and its weights are.

    The source is that of the modules in which its functions and classes are written, and of the
    modules beside these that they import; libraries are left out. What it holds are the values of
    its fields: numbers, texts, arrays, tensors, networks, functions with what they close over.

    Parameters
    ----------
    part : object
        A function, a class, or an object of either.

    Returns
    -------
    str
        16 hexadecimal characters.
    """
    modules: dict[str, None] = {}
    digest = hashlib.sha256()
    for said in _told(part, modules, {}):
        digest.update(said.encode() if isinstance(said, str) else said)
        digest.update(b"\0")
    for name in modules:
        for file, text in own_sources(name):
            digest.update(file.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:16]


def _told(value: Any, modules: dict[str, None], seen: dict[int, Any]) -> Iterator[str | bytes]:
    """Say what a value is, and note the modules of what is written in Python."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | Path):
        yield repr(value)
        return
    if id(value) in seen:
        yield "again"
        return
    seen[id(value)] = value  # kept, so that no other object gets its number
    yield type(value).__name__
    if isinstance(value, Mapping):
        for key in value:
            yield from _told(key, modules, seen)
            yield from _told(value[key], modules, seen)
    elif isinstance(value, set | frozenset):
        yield from sorted(map(repr, value))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _told(one, modules, seen)
    elif isinstance(value, types.ModuleType):
        _note(value.__name__, modules)
    elif isinstance(value, type):
        yield from _of_code(value, modules)
    elif isinstance(value, types.FunctionType):
        yield from _of_code(value, modules)
        yield from _told(value.__defaults__, modules, seen)
        yield from _told(value.__kwdefaults__, modules, seen)
        for cell in value.__closure__ or ():
            yield from _told(cell.cell_contents, modules, seen)
    elif isinstance(value, types.MethodType):
        yield from _told(value.__func__, modules, seen)
        yield from _told(value.__self__, modules, seen)
    elif isinstance(value, functools.partial):
        yield from _told([value.func, value.args, value.keywords], modules, seen)
    else:
        yield from _of_object(value, modules, seen)


def _of_code(value: Any, modules: dict[str, None]) -> Iterator[str]:
    """Name a function or class; its source, where its module has no file."""
    yield f"{value.__module__}.{value.__qualname__}"
    if _note(value.__module__, modules):
        return
    try:
        yield inspect.getsource(value)
    except (OSError, TypeError):
        code = getattr(value, "__code__", None)
        yield "" if code is None else _of_bytecode(code)


def _of_bytecode(code: types.CodeType) -> str:
    consts = [_of_bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {consts} {code.co_names}"


def _of_object(value: Any, modules: dict[str, None], seen: dict[int, Any]) -> Iterator[str | bytes]:
    kind = type(value)
    yield from _of_code(kind, modules)
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.nn.Module):
        for part in value.modules():
            yield from _of_code(type(part), modules)
        yield repr(value)
        for name, tensor in sorted(value.state_dict().items()):
            yield name
            yield from _told(tensor, modules, seen)
    elif torch is not None and isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        yield f"{plain.dtype} {tuple(plain.shape)}"
        yield plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    elif numpy is not None and isinstance(value, numpy.ndarray):
        yield f"{value.dtype} {value.shape}"
        yield value.tobytes()
    else:
        kept = functools.cached_property  # is there only once somebody has asked for it
        fields = {
            k: v
            for k, v in getattr(value, "__dict__", {}).items()
            if not k.startswith("__") and not isinstance(getattr(kind, k, None), kept)
        }
        slots = {k: getattr(value, k) for k in getattr(kind, "__slots__", ()) if hasattr(value, k)}
        if fields or slots:
            yield from _told({**fields, **slots}, modules, seen)
        else:
            yield _ADDRESS.sub("", repr(value))


def _note(module: str, modules: dict[str, None]) -> bool:
    """Keep the name of a module that a part is written in; False where it has no file to read."""
    top = module.partition(".")[0]
    if top in _LIBRARIES or (top in sys.stdlib_module_names and top != "__main__"):
        return True
    if _file_of(module) is None:
        return False
    modules.setdefault(module)
    return True


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    path = None if file is None else Path(file)
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def own_sources(module: str) -> list[tuple[str, bytes]]:
    """Give name and text of a loaded module's file and of those beside it that it imports.

    Beside it are the files of its own package; for a module that lies in a folder of the user's,
    all that is in this folder.
    """
    start = _file_of(module)
    if start is None:
        return []
    root = start.parents[module.count(".") + (start.name == "__init__.py")]
    own = module.partition(".")[0] if _is_installed(root) else None
    found: dict[str, bytes] = {}
    waiting = [(module, start)]
    while waiting:
        name, file = waiting.pop()
        key = file.relative_to(root).as_posix()
        if key in found:
            continue
        found[key] = file.read_bytes()
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for imported in _imported(found[key], package):
            if (own is None or imported.partition(".")[0] == own) and (
                beside := module_file(root, imported)
            ):
                waiting.append((imported, beside))
    return sorted(found.items())


def _is_installed(folder: Path) -> bool:
    installed = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(folder == Path(path) for path in installed if path)


def _imported(source: bytes, package: str) -> Iterator[str]:
    """Names of modules that a source may import."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for base, name in imported_names(tree, package):
        if base:
            yield base
        if name:
            yield f"{base}.{name}" if base else name
