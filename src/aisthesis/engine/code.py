"""What numbers depend on beside what they are computed from: source code, and libraries' versions.

The digest of a module is one of its statements and of those of every module of this package that
it imports, so that a change of the code makes stale what the code has made, without anybody
having to think of it. Comments and docstrings compute nothing and do not count; neither do the
modules that keep, tell and check but give no number.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from aisthesis.sources import imported_names, module_file

__all__ = ["code_parts", "library_version", "modules_behind", "source_digest"]

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
_NO_NUMBERS = (
    "alignment_config",
    "config",
    "engine",
    "errors",
    "judgments",  # what is read from tables is digested itself
    "labels",
    "memory",
    "report",
    "sources",
    "streams",
    "whole",
)


def code_parts(of: str, module: str) -> dict[str, str]:
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


def library_version(distribution: str) -> str:
    """Version of an installed distribution, or `not installed`."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


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
            to_do += [one for one in _imports(name) if one.split(".")[1] not in _NO_NUMBERS]
    return frozenset(found)


def _file(module: str) -> Path | None:
    """Where a module of this package is; None where the name is no module's."""
    return module_file(_ROOT, module)


@cache
def _parsed(module: str) -> tuple[ast.Module, str]:
    file = _file(module)
    if file is None:
        raise ModuleNotFoundError(f"{module} is no module of {_PACKAGE}")
    text = file.read_text(encoding="utf-8")
    return ast.parse(text), text


@cache
def _named(module: str) -> tuple[str, ...]:
    """Names that a module imports, in functions too: modules, or what is in them."""
    tree = _parsed(module)[0]
    found = [f"{base}.{name}" if name else base for base, name in imported_names(tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "import_module":
            found += [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
    return tuple(found)


def _called(node: ast.Call) -> str:
    """Last name of what is called."""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def _imports(module: str) -> list[str]:
    """Modules of this package that a module imports."""
    ours = [name for name in _named(module) if name.startswith(f"{_PACKAGE}.")]
    ours = [name if _file(name) else name.rpartition(".")[0] for name in ours]
    return [name for name in ours if name != _PACKAGE]


@cache
def _libraries_behind(module: str) -> list[str]:
    """Distributions that a module or one behind it imports and that can change numbers."""
    named = {name for one in modules_behind(module) for name in _named(one)}
    tops = {name.partition(".")[0] for name in named}
    return sorted(_LIBRARIES[top] for top in tops if top in _LIBRARIES)


@cache
def _statements(module: str) -> bytes:
    """A module's text without what computes nothing: docstrings, whole-line comments, gaps."""
    tree, text = _parsed(module)
    lines = text.splitlines()
    inside: set[int] = set()  # lines of texts over several lines: no comments are in them
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno != node.lineno:
            inside.update(range(node.lineno, int(node.end_lineno or node.lineno) + 1))
    for node in ast.walk(tree):
        # A docstring, or the text under an attribute.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for number in range(node.lineno, int(node.end_lineno or node.lineno) + 1):
                lines[number - 1] = ""
    kept = [
        line.rstrip()
        for number, line in enumerate(lines, 1)
        if line.strip() and (number in inside or not line.lstrip().startswith("#"))
    ]
    return "\n".join(kept).encode()
