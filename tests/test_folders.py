"""The folders of the package: imports between them point one way."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import aisthesis
from aisthesis.provenance.sources import imported_names, module_file

ROOT = Path(aisthesis.__file__).parent
FACES = set(ROOT.rglob("__init__.py"))


def module_of(path: Path) -> str:
    """Full name of a module, or of a package by its face."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def homes() -> dict[tuple[str, str], str]:
    """Where what a package's face gives comes from."""
    found = {}
    for face in FACES - {ROOT / "__init__.py"}:
        for base, name in imported_names(ast.parse(face.read_text(encoding="utf-8"))):
            if base.startswith("aisthesis."):
                found[module_of(face), name] = base
    return found


def home_of(base: str, name: str, given: dict[tuple[str, str], str]) -> str:
    """The module that a name of an import is in."""
    while (base, name) in given:
        base = given[base, name]
    return f"{base}.{name}" if module_file(ROOT.parent, f"{base}.{name}") else base


def folder_of(module: str) -> str:
    """The folder that a module is in; one that lies beside folders stands for itself."""
    folder = ROOT.parent.joinpath(*module.split(".")[:-1])
    beside = any(one.is_dir() and (one / "__init__.py").is_file() for one in folder.iterdir())
    return module if beside else ".".join(module.split(".")[:-1])


def test_imports_between_folders_point_one_way() -> None:
    given, graph = homes(), {}
    for path in sorted(set(ROOT.rglob("*.py")) - FACES):
        here = folder_of(module_of(path))
        for base, name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            if base.startswith("aisthesis."):
                graph.setdefault(here, set()).add(folder_of(home_of(base, name, given)))
    for here, behind in graph.items():
        behind.discard(here)
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError with the cycle
    assert order.index("aisthesis.ablation.deltas") < order.index("aisthesis.studies.ratings.study")
