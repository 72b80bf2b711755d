"""What a release carries is told alike everywhere: names, versions, citation, pages of the site."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import yaml

import aisthesis as ais

ROOT = Path(__file__).parent.parent


def test_no_public_name_is_missing_from_the_reference() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    described = [path.rpartition(".")[2] for path in re.findall(r"^::: (\S+)$", page, re.MULTILINE)]
    assert sorted(described) == sorted(ais.__all__)


def test_one_version_is_told_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["version"] == ais.__version__ == citation["version"]
    assert project["license"] == citation["license"]
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert ais.__version__ in changes


def test_every_page_is_in_the_contents_of_the_site_once() -> None:
    contents = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    named = list(_pages(contents))
    assert len(named) == len(set(named))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(named)


def _pages(contents: object) -> list[str]:
    if isinstance(contents, str):
        return [contents]
    parts = contents.values() if isinstance(contents, dict) else contents
    return [page for part in parts for page in _pages(part)]


def test_a_development_install_brings_what_the_make_targets_run() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    assert {"test", "docs"} <= set(re.findall(r"\w+", extras["dev"][0]))
    assert any(one.startswith("mkdocs-material") for one in extras["docs"])


def test_the_page_of_benchmarks_says_what_the_result_files_say() -> None:
    page = runpy.run_path(str(ROOT / "benchmarks" / "page.py"))["page"]()
    kept = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert kept == page, "run `python benchmarks/page.py`"
