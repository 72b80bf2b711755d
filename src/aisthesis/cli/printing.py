"""Tables as plain text on standard output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["print_rows", "print_table"]


def print_table(table: Any) -> None:
    """Print a table to standard output, wide where that is no terminal."""
    print_rows(table.columns, table.itertuples(index=False))


def print_rows(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    """Print rows under the names of their columns, as `print_table` does."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=240)
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        shown.add_column(str(name), overflow="fold")
    for row in rows:
        shown.add_row(*(str(cell) for cell in row))
    console.print(shown, markup=False)
