"""MkDocs hook: pages of the site that lie elsewhere in the repository, and links to such files.

README is the first page, and CHANGELOG, CONTRIBUTING and the tables of `benchmarks/results` are
pages too, each kept in one place only. Links are written as they work in the repository and are
turned into those of the site; a link to any other file of the repository becomes plain text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Where the files of the repository are on the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{
        f"benchmarks/results/{path.name}": f"results/{path.name}"
        for path in sorted((ROOT / "benchmarks" / "results").glob("*.md"))
    },
}
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^()\s]+)\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside of docs/."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        file = File.generated(config, page, content=text)
        if page.startswith("results/"):
            file.inclusion = type(file.inclusion).NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site."""
    here = page.file.src_uri
    parts = _FENCED.split(markdown)
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda found: _link(found, here), part)
        for part in parts
    )


def _link(found: re.Match[str], here: str) -> str:
    words, target = found.groups()
    path, mark, anchor = target.partition("#")
    if not path or ":" in path:
        return found[0]
    source = next((source for source, page in PAGES.items() if page == here), f"docs/{here}")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / wanted).exists():
        return found[0]  # MkDocs says what is wrong with it
    place = PAGES.get(wanted) or (wanted.removeprefix("docs/") if _in_docs(wanted) else None)
    if place is None:
        return f"{words[1:-1]} (`{wanted}` in the repository)"
    return f"{words}({posixpath.relpath(place, posixpath.dirname(here) or '.')}{mark}{anchor})"


def _in_docs(path: str) -> bool:
    return path.startswith("docs/") and (ROOT / path).is_file()
