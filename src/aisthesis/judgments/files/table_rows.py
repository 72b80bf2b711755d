"""Rows of a table that are meant: those that the study asks for, and no further header lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aisthesis.errors import RequestError, quoted
from aisthesis.judgments.files.cells import number_or_nan, plain_number
from aisthesis.judgments.files.table import Row, Table

__all__ = ["Wanted", "selected", "words_on"]

Wanted = str | float | bool
_SHOWN = 5


def selected(
    table: Table, where: Mapping[str, Wanted | Sequence[Wanted]]
) -> tuple[Table, list[str]]:
    """Keep the rows in which each of some columns holds a value, or one of several.

    Text is compared without regard to case, numbers as numbers, true and false as the words.
    Qualtrics' second and third line, the questions and their identifiers, are left out.

    Returns
    -------
    Table
    list of str
        What was left out, in words.

    Raises
    ------
    RequestError
        If there is no such column, or no such row: with the values that there are.
    """
    rows, said = _without_further_headers(table)
    if not where:
        return replace(table, rows=rows), said
    kept = list(rows)
    for column, value in where.items():
        place = table.index(column)
        wanted = _several(value)
        held = [row.cells[place] if place < len(row.cells) else "" for row in kept]
        kept = [
            row
            for row, cell in zip(kept, held, strict=True)
            if any(_same(cell, one) for one in wanted)
        ]
        if not kept:
            there = sorted(set(held))
            more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            raise RequestError(
                f"{table.name}: no row has {column} = {' or '.join(map(str, wanted))}, as `where` "
                f"asks; the column holds {', '.join(map(quoted, there[:_SHOWN]))}{more}"
            )
    return replace(table, rows=tuple(kept)), said


def words_on(where: Mapping[str, Wanted | Sequence[Wanted]], kept: int, of: int) -> str:
    """Say how many rows of a table, or several, were asked for."""
    asked = ", ".join(f"{column} = {_shown(value)}" for column, value in where.items())
    return f"{kept:,} of {of:,} rows have {asked}"


def _without_further_headers(table: Table) -> tuple[tuple[Row, ...], list[str]]:
    for number, row in enumerate(table.rows[:2], start=1):
        if any('"ImportId"' in cell for cell in row.cells):
            lines = "line" if number == 1 else "lines"
            return table.rows[number:], [f"{number} further header {lines} of Qualtrics left out"]
    return table.rows, []


def _same(cell: str, wanted: Wanted) -> bool:
    if isinstance(wanted, bool):
        return cell.lower() == str(wanted).lower()
    if plain_number(cell) and plain_number(str(wanted)):
        return number_or_nan(cell) == float(wanted)
    return cell.casefold() == str(wanted).casefold()


def _several(value: Wanted | Sequence[Wanted]) -> list[Wanted]:
    return [value] if isinstance(value, str | bool | int | float) else list(value)


def _shown(value: Wanted | Sequence[Wanted]) -> str:
    return " or ".join(map(str, _several(value)))
