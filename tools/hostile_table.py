"""Write the table of hostile inputs into docs/faults.md from what tests/faults tries."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "faults.md"
START, END = "<!-- hostile inputs: start -->", "<!-- hostile inputs: end -->"


def table() -> str:
    """Give the rows as Markdown: kind, number, what happens."""
    sys.path.insert(0, str(ROOT / "tests"))
    from faults.catalogue import KINDS, OTHERS

    rows = [(kind.name, kind.n, kind.outcome) for kind in KINDS] + OTHERS
    lines = ["| input | number | what happens |", "|---|---:|---|"]
    lines += [f"| {name} | {n:,} | {outcome} |" for name, n, outcome in rows]
    lines.append(f"| **together** | **{sum(row[1] for row in rows):,}** | |")
    return "\n".join(lines)


def page(text: str) -> str:
    """Put the table between its marks."""
    before, rest = text.split(START)
    return f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
