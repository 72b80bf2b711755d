"""What numbers depend on beside what they are computed from: source code, and libraries' versions.

The digest of a module is one of its statements and of those of every module of this package that
it imports, so that a change of the code makes stale what the code has made, without anybody
having to think of it. Comments and docstrings compute nothing and do not count; neither do the
modules that keep, tell and check but give no number.
"""

from __future__ import annotations

import ast
import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aisthesis.provenance.sources import module_file, names_of
from aisthesis.provenance.versions import library_version

__all__ = ["code_dependencies", "modules_behind", "source_digest"]

#: Libraries that can change numbers where they are imported, and what they are installed as.
#: timm and captum are named by who uses them: most studies do without.
_LIBRARIES = {
    "ot": "POT",
    "PIL": "pillow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torchvision": "torchvision",
}
_PACKAGE = "aisthesis"
_ROOT = Path(__file__).parents[2]
#: Statements without statements in them, the most of a source.
_SIMPLE = (ast.AnnAssign, ast.Assert, ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Return)
_NO_NUMBERS = (
    "config",
    "errors",
    "execution",
    "judgments",  # what is read from tables is digested itself
    "memory",
    "names.labels",
    "provenance",
    "report",
    "store",
    "studies.shared.stage",
)


def code_dependencies(of: str, module: str) -> dict[str, str]:
    """Give the parts of a ledger's entry that stand for code.

    Parameters
    ----------
    of : str
        What the code makes, for people: `the maps`.
    module : str
        Full name of the module that makes it, `__name__`.

    Returns
    -------
    dict
        ``{"code of the maps": digest, "torch": version, ...}`` with every library that the module
        or one behind it imports and that can change numbers.
    """
    versions = {library: library_version(library) for library in _libraries_behind(module)}
    return {f"code of {of}": source_digest(module)} | versions


@cache
def source_digest(module: str) -> str:
    """Digest of the statements of a module of this package and of all that it imports from it."""
    digest = hashlib.sha256()
    for name in sorted(modules_behind(module)):
        digest.update(name.encode() + b"\0" + _statements(name))
    return digest.hexdigest()[:16]


@cache
def modules_behind(module: str) -> frozenset[str]:
    """Names of a module and of the modules of this package that it imports, near and far."""
    found: set[str] = set()
    to_do = [module]
    while to_do:
        name = to_do.pop()
        if name not in found:
            found.add(name)
            to_do += [one for one in _imports(name) if _gives_numbers(one)]
    return frozenset(found)


def _gives_numbers(module: str) -> bool:
    """Whether a module, and all of its folder, can change what is computed."""
    inside = module.removeprefix(f"{_PACKAGE}.") + "."
    return not any(inside.startswith(f"{name}.") for name in _NO_NUMBERS)


@cache
def _file(module: str) -> Path | None:
    """Where a module of this package is; None where the name is no module's."""
    return module_file(_ROOT, module)


@dataclass(frozen=True)
class _Source:
    """A module's text, and what of its syntax tree is asked for, from one walk through it."""

    text: str
    named: tuple[str, ...]  # what it imports, in functions too: modules, or what is in them
    told: frozenset[int]  # lines of docstrings and of texts under attributes
    inside: frozenset[int]  # lines of texts over several lines that look like comments there


@cache
def _source(module: str) -> _Source:
    file = _file(module)
    if file is None:
        raise ModuleNotFoundError(f"{module} is no module of {_PACKAGE}")
    text = file.read_text(encoding="utf-8")
    named: list[str] = []
    told: set[int] = set()
    inside: set[int] = set()
    for node in _nodes(text):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            if node.end_lineno != node.lineno:
                inside.update(_lines(node))
        elif isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant):
                told.update(_lines(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            named += [f"{base}.{name}" if name else base for base, name in names_of(node)]
        elif isinstance(node, ast.Call) and _called(node) == "import_module":
            named += [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
    return _Source(text, tuple(named), frozenset(told), frozenset(inside))


def _nodes(text: str) -> Iterator[ast.AST]:
    """Nodes of a source, but not what is in statements that `_Source` asks nothing of."""
    lines = text.splitlines()
    comments = [number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")]
    calls_import = "import_module" in text
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _SIMPLE) and not calls_import:
            # A text may hold what looks like a comment only where there is such a line.
            at = bisect_left(comments, node.lineno)
            if at == len(comments) or comments[at] > int(node.end_lineno or node.lineno):
                continue
        waiting += ast.iter_child_nodes(node)


def _lines(node: ast.expr | ast.stmt) -> range:
    return range(node.lineno, int(node.end_lineno or node.lineno) + 1)


def _called(node: ast.Call) -> str:
    """Last name of what is called."""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of this package that a module imports."""
    ours = [name for name in _source(module).named if name.startswith(f"{_PACKAGE}.")]
    ours = [name if _file(name) else name.rpartition(".")[0] for name in ours]
    return tuple(name for name in ours if name != _PACKAGE)


@cache
def _libraries_behind(module: str) -> list[str]:
    """Distributions that a module or one behind it imports and that can change numbers."""
    named = {name for one in modules_behind(module) for name in _source(one).named}
    tops = {name.partition(".")[0] for name in named}
    return sorted(_LIBRARIES[top] for top in tops if top in _LIBRARIES)


@cache
def _statements(module: str) -> bytes:
    """A module's text without what computes nothing: docstrings, whole-line comments, gaps."""
    source = _source(module)
    kept = [
        line.rstrip()
        for number, line in enumerate(source.text.splitlines(), 1)
        if number not in source.told
        and line.strip()
        and (number in source.inside or not line.lstrip().startswith("#"))
    ]
    return "\n".join(kept).encode()
