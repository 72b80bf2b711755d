"""Find a user's part by its name: `package.module:attribute`, or one that a package declares.

Importing a module runs it. So code is only brought where somebody has named it himself: in a
program, on the command line, in a study file of his own. While a study is opened by its *folder*,
which may be anybody's, `only_remembered` holds: what is known of its parts is what its record says.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.parts.identity import identity, own_sources

__all__ = [
    "GROUPS",
    "bring",
    "denied",
    "entry_names",
    "given_name",
    "identity_of",
    "is_entry",
    "is_own",
    "is_reference",
    "only_remembered",
    "own_name",
    "part",
    "part_keys",
    "remembered",
]

#: Entry points under which a package declares its parts, by kind of part.
GROUPS: Mapping[str, str] = {
    "backbone": "aisthesis.backbones",
    "metric": "aisthesis.metrics",
    "explainer": "aisthesis.explainers",
    "head": "aisthesis.heads",
    "reader": "aisthesis.judgments",
}
#: Before the colon of names that are no reference: the package's own families of networks.
OWN_FAMILIES = ("torchvision", "timm", "miniature")
#: Stands before the name of an object that a program gave and that no module holds.
GIVEN = "given"

_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
# Inherited by helper processes, which may bring as little as the process that starts them.
_DENIED = "AISTHESIS_ONLY_REMEMBERED"

_brought: dict[tuple[str, str], Any] = {}
_sources: dict[str, list[tuple[str, bytes]]] = {}  # as modules were when they were brought
_folders: list[str] = []  # that were added to where modules are looked for
_record: dict[str, Any] = {}  # what the record of the study that is open says of its parts


def is_reference(name: str) -> bool:
    """Whether a name is that of a Python object: `package.module:attribute`."""
    found = _REFERENCE.match(name)
    if found is None or name.partition(":")[0] in OWN_FAMILIES:
        return False
    return found.end() == len(name) or name[found.end()] == ":"


def entry_names(kind: str) -> list[str]:
    """Names of the parts of a kind that installed packages declare; nothing is loaded."""
    return list(_declared(metadata.entry_points, GROUPS[kind], tuple(sys.path)))


@lru_cache(maxsize=32)
def _declared(find: Callable[..., Any], group: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the entry points of a group; looked for once for the same places to look at."""
    return tuple(sorted({point.name for point in find(group=group)}))


def is_entry(kind: str, name: str) -> bool:
    """Whether an installed package declares a part of this name (or, before a colon, a family)."""
    return name.partition(":")[0] in entry_names(kind)


def is_own(kind: str, name: str) -> bool:
    """Whether a name is that of a user's part, wherever it is declared."""
    return is_reference(name) or is_entry(kind, name)


def own_name(name: str) -> str:
    """What a part is called in tables and files: its attribute's name, or that of its entry."""
    return name.split(":")[1].rpartition(".")[2] if is_reference(name) else name


def denied() -> bool:
    """Whether no code may be brought, as a study is open by its folder."""
    return os.environ.get(_DENIED) == "1"


@contextmanager
def only_remembered(record: Any) -> Iterator[None]:
    """Bring no code while a study is open by its folder; of its parts its record is believed.

    Parameters
    ----------
    record : mapping
        The section `parts` of its `provenance.json`; anything else says nothing.
    """
    before, held = os.environ.get(_DENIED), dict(_record)
    os.environ[_DENIED] = "1"
    _record.clear()
    _record.update(record if isinstance(record, dict) else {})
    try:
        yield
    finally:
        _record.clear()
        _record.update(held)
        if before is None:
            del os.environ[_DENIED]
        else:
            os.environ[_DENIED] = before


def remembered(section: str, name: str) -> Any:
    """What the record of the study that is open says of a part; None where it says nothing."""
    held = _record.get(section)
    return held.get(name) if isinstance(held, dict) else None


def part(kind: str, name: str) -> Any:
    """Give a part by its name, which is brought unless it is already.

    Raises
    ------
    RequestError
        If it cannot be brought, or may not be, as the study is open by its folder.
    """
    held = _brought.get((kind, name))
    return bring(kind, name) if held is None or denied() else held


def bring(kind: str, name: str, folder: Path | None = None) -> Any:
    """Import a part, anew where its source has changed since.

    Parameters
    ----------
    kind : str
        Out of `GROUPS`.
    name : str
        `package.module:attribute`, or that of an entry point.
    folder : Path, optional
        Where modules are looked for beside those that are installed: that of the study file.

    Raises
    ------
    RequestError
        If there is no such module or attribute, or importing it fails; or as `part`.
    """
    if denied():
        raise RequestError(
            f"the study's folder asks for the {kind} {name}, which is code and so is not run from "
            "a study's folder; if the study is yours, run its own study file (`aisthesis run "
            "STUDY.toml`), or give the object again in your program"
        )
    module_name, _, attribute = name.partition(":")
    if module_name == GIVEN:
        if (kind, name) not in _brought:
            raise RequestError(
                f"the {kind} {attribute} was given as an object of a program, which is not here; "
                "give it again, or put it into a module and name it `module:attribute`"
            )
        return _brought[kind, name]
    if is_reference(name):
        found = _attribute(_module(module_name, name, kind, folder), attribute, name, kind)
    else:
        found = _entry(kind, name)
    _brought[kind, name] = found
    return found


def given_name(kind: str, given: Any) -> str:
    """Name an object that a program gives, so that a study can name it, and remember it.

    It is `module:attribute` where a module other than the program itself holds it under its own
    name, else `given:NAME`.

    Raises
    ------
    RequestError
        If the object has no name.
    """
    called = getattr(given, "name", None) or getattr(given, "__name__", None)
    if not isinstance(called, str) or not called.strip():
        raise RequestError(
            f"expected a {kind} with a `name`, got {type(given).__name__}; give it one"
        )
    for module in [getattr(given, "__module__", None), *_modules_around(given)]:
        held = sys.modules.get(str(module))
        if module != "__main__" and held is not None and getattr(held, called, None) is given:
            name = f"{module}:{called}"
            if is_reference(name):
                _brought[kind, name] = given
                return name
    name = f"{GIVEN}:{re.sub(r'[^0-9a-zA-Z_]', '_', called)}"
    _brought[kind, name] = given
    return name


def _modules_around(given: Any) -> list[str]:
    """Modules that an object's class and functions are written in."""
    inner = [type(given), *(v for v in getattr(given, "__dict__", {}).values() if callable(v))]
    return [str(one.__module__) for one in inner if getattr(one, "__module__", None)]


def _module(module_name: str, name: str, kind: str, folder: Path | None) -> ModuleType:
    """Import a module, and anew what of it and beside it has changed."""
    if folder is not None:
        _look_in(folder, module_name.partition(".")[0])
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
        now = own_sources(module_name)
        if _sources.get(module_name, now) != now:
            module = _anew(module_name)
    except RequestError:
        raise
    except ModuleNotFoundError as error:
        where = " or beside the study file" if folder is not None else ""
        raise RequestError(
            f"the {kind} {name} cannot be imported: there is no module {error.name!r} among the "
            f"installed packages{where}; install it, or correct the name"
        ) from error
    except Exception as error:
        raise RequestError(
            f"the {kind} {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    _sources[module_name] = own_sources(module_name)
    return module


def _anew(module_name: str) -> ModuleType:
    """Import a module and its package or its neighbours from their files once more."""
    files = {file for file, _ in [*_sources[module_name], *own_sources(module_name)]}
    stems = {file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files}
    for stem in stems:
        sys.modules.pop(stem, None)
    return importlib.import_module(module_name)


def _look_in(folder: Path, top: str) -> None:
    """Look for modules in a folder too, after all others; one of another study's is forgotten."""
    here = str(folder.absolute())
    held = getattr(sys.modules.get(top), "__file__", None)
    if held is not None and any(
        other != here and Path(held).is_relative_to(other) for other in _folders
    ):
        for name in [n for n in sys.modules if n == top or n.startswith(f"{top}.")]:
            del sys.modules[name]
            _sources.pop(name, None)
    for other in _folders:
        if other != here and other in sys.path:
            sys.path.remove(other)
    if here not in sys.path:
        sys.path.append(here)
        _folders.append(here)


def _attribute(module: ModuleType, attribute: str, name: str, kind: str) -> Any:
    found: Any = module
    for step in attribute.partition(":")[0].split("."):
        if not hasattr(found, step):
            likely = nearest(step, [one for one in vars(module) if not one.startswith("_")])
            hint = f"did you mean {or_list(likely)}?" if likely else "correct the name"
            raise RequestError(
                f"the {kind} {name} is not there: {module.__name__} has no {step!r}; {hint}"
            )
        found = getattr(found, step)
    return found


def _entry(kind: str, name: str) -> Any:
    points = list(metadata.entry_points(group=GROUPS[kind], name=name.partition(":")[0]))
    if not points:
        raise RequestError(f"no installed package declares a {kind} {name!r}; install it")
    try:
        return points[0].load()
    except Exception as error:
        raise RequestError(
            f"the {kind} {name} of {points[0].value} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def part_keys(kind: str, names: Iterable[str]) -> list[str]:
    """Names of parts for digests of what work depends on: a user's own with its identity."""
    return [f"{one} {identity_of(kind, one)}" if is_own(kind, one) else one for one in names]


def identity_of(kind: str, name: str) -> str:
    """Identity of a part by its name; that of the record while `only_remembered` holds."""
    if denied():
        return str(remembered("identities", f"{kind} {name}") or "not looked at")
    return identity(part(kind, name))
