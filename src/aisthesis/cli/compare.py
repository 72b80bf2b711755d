"""The command `compare`: studies side by side.

Like `cli`, it imports nothing heavy before the arguments are parsed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from aisthesis.errors import RequestError

__all__ = ["add_compare"]

_MARK, _BEGINNING = "aisthesis compare", 512


def add_compare(commands: Any) -> None:
    """Add the command `compare`."""
    what = "set studies side by side: which agreements between networks hold, and which differ"
    command = commands.add_parser("compare", help=what, description=what)
    command.add_argument("studies", nargs="+", type=Path, metavar="STUDY", help="study folders")
    add = command.add_argument
    add("--metric", default="cosine", help="of agreement (default: %(default)s)")
    add("--maps", help="comma-separated kinds of maps (default: all that the studies share)")
    add(
        "--out",
        type=Path,
        metavar="CSV",
        default=Path("comparison.csv"),
        help="table; .html beside it: a page (default: %(default)s)",
    )
    add("--force", action="store_true", help="overwrite files that `compare` did not write")
    command.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> None:
    from aisthesis.cli.keys import names_in
    from aisthesis.cli.printing import print_table
    from aisthesis.execution.progress import Terminal
    from aisthesis.report.comparison import comparison_page, shown_table
    from aisthesis.store.files import refuse_overwriting, write_csv, write_text
    from aisthesis.studies.compare import COMPARISON_COLUMNS, compare, in_words

    page = options.out.with_suffix(".html")
    if not options.force:
        refuse_overwriting(options.out, COMPARISON_COLUMNS)
        _refuse_another_page(page)
    maps = names_in(options.maps) if options.maps else None
    table = compare(*options.studies, metric=options.metric, maps=maps)
    write_csv(options.out, table)
    write_text(page, comparison_page(table, in_words(table)))
    print_table(shown_table(table))
    for line in in_words(table):
        Terminal().say(line)
    print(options.out)
    print(page)


def _refuse_another_page(page: Path) -> None:
    if not page.exists():
        return
    if page.is_file():
        with page.open("rb") as file:
            if _MARK.encode() in file.read(_BEGINNING):
                return
    raise RequestError(
        f"{page} is already there and was not written by `compare`; give another --out, or --force"
    )
