"""Write both tables of docs/faults.md from what tests/faults tries."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "faults.md"
MARKS = "<!-- {}: start -->", "<!-- {}: end -->"


def table() -> str:
    """Give the rows as Markdown: kind, number, what happens."""
    sys.path.insert(0, str(ROOT / "tests"))
    from faults.catalogue import KINDS, OTHERS

    rows = [(kind.name, kind.n, kind.outcome) for kind in KINDS] + OTHERS
    lines = ["| input | number | what happens |", "|---|---:|---|"]
    lines += [f"| {name} | {n:,} | {outcome} |" for name, n, outcome in rows]
    lines.append(f"| **together** | **{sum(row[1] for row in rows):,}** | |")
    return "\n".join(lines)


def table_of_broken() -> str:
    """Give the rows on what is broken on purpose: fault, what happens, in which studies, test."""
    sys.path.insert(0, str(ROOT / "tests"))
    from faults.broken import BROKEN, studies_of

    lines = ["| fault | what happens | studies | test |", "|---|---|---|---|"]
    lines += [f"| {r.fault} | {r.outcome} | {studies_of(r)} | {r.file} |" for r in BROKEN]
    return "\n".join(lines)


def page(text: str) -> str:
    """Put the tables between their marks."""
    for name, rows in (("broken on purpose", table_of_broken()), ("hostile inputs", table())):
        start, end = (mark.format(name) for mark in MARKS)
        before, rest = text.split(start)
        text = f"{before}{start}\n{rows}\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
