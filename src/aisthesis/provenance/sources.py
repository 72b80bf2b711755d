"""Python source as text: which file is a module's, and what a source imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["imported_names", "module_file", "names_of"]


def module_file(root: Path, module: str) -> Path | None:
    """File of a module under a folder of packages; None where there is none."""
    path = root.joinpath(*module.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((each for each in candidates if each.is_file()), None)


def imported_names(tree: ast.AST, package: str = "") -> Iterator[tuple[str, str]]:
    """What a source imports, at any depth of it: a module, and the name out of it or nothing.

    Parameters
    ----------
    tree : AST
    package : str
        Of the source, which relative imports are relative to.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from names_of(node, package)


def names_of(node: ast.Import | ast.ImportFrom, package: str = "") -> Iterator[tuple[str, str]]:
    """What one statement imports, as `imported_names` gives it."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".") if package else []
        kept = parents[: len(parents) - node.level + 1]
        base = ".".join([*kept, *([base] if base else [])])
    yield from ((base, alias.name) for alias in node.names)
