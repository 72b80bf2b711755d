"""Finds every function of the report that holds prose, so that none stays unchecked."""

from __future__ import annotations

import ast
import re
from importlib.resources import files
from pathlib import Path

_PROSE = re.compile(r"[a-zA-Z’,]+ [a-zA-Z’,]+ [a-zA-Z’]+")


def functions_with_prose() -> set[str]:
    """`module.function` or `module.Class.method` below `aisthesis.report`, by what it writes."""
    root = Path(str(files("aisthesis.report")))
    found = set()
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        for name, node in _functions(ast.parse(path.read_text(encoding="utf-8")), ""):
            if _writes(node):
                found.add(f"{module}.{name}")
    return found


def _functions(node: ast.AST, prefix: str):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield f"{prefix}{child.name}", child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _writes(function: ast.FunctionDef) -> bool:
    """Whether a text of three words or more is made here, errors and docstrings aside."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise):
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(v.value if isinstance(v, ast.Constant) else "x" for v in node.values)
            if _PROSE.search(text):
                return True
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and _PROSE.search(text):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        waiting.extend(ast.iter_child_nodes(node))
    return False
