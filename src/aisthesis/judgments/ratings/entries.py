"""Single ratings out of a table, whatever its layout, with the lines that they come from."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aisthesis.errors import quoted
from aisthesis.judgments.files.cells import image_name, is_missing, plain_number
from aisthesis.judgments.files.faults import Faults
from aisthesis.judgments.files.table import Row, Table
from aisthesis.judgments.ratings.layout import Layout

__all__ = ["Entry", "note_repeated", "read_entries", "same_characters"]

# Maps are stored in float32, which holds the squares of no larger or smaller ones.
_LARGEST = 1e15
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+", re.ASCII)
# As many digits as thousands have: `1,234` may be 1234 or 1.234.
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
# What experiment programs store of one question: {"Q0": 4}.
_ONE_ANSWER = re.compile(r'\{\s*"[^"]*"\s*:\s*"?([^",{}]*)"?\s*\}')
_SELECT = (
    "rows that hold no rating, as those of instructions, are left out with [columns] where = "
    "{COLUMN = VALUE}"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One rating: the line that it is on, the image, the value, and who gave it."""

    line: int
    image: str
    rating: float
    rater: str = ""


def read_entries(table: Table, layout: Layout, faults: Faults) -> tuple[list[Entry], int]:
    """All ratings of a table, and how many cells were left out because they hold none.

    A table with one rating an image must have them all; single raters may leave images out.
    """
    places = _places(table, layout)
    entries = [entry for row in table.rows for entry in _of_row(table, row, places, layout, faults)]
    given = [entry for entry in entries if entry is not _NONE]
    return given, len(entries) - len(given)


_NONE = Entry(0, "", math.nan)


def _places(table: Table, layout: Layout) -> list[int]:
    """Places of image, rating and rater; or of the images or raters, and of all values."""
    if layout.kind in ("wide", "transposed"):
        named = [one for one in (layout.image or layout.rater,) if one]
        return [table.index(column) for column in (*named, *layout.values)]
    named = [one for one in (layout.image, layout.rating, layout.rater) if one]
    return [table.index(column) for column in named]


def _of_row(
    table: Table, row: Row, places: Sequence[int], layout: Layout, faults: Faults
) -> Iterator[Entry]:
    n_cells, n_columns = len(row.cells), len(table.columns)
    # Spreadsheets end rows with empty cells; only cells that hold something are too many.
    if any(row.cells[n_columns:]) or n_cells <= max(places):
        hint = "; is there a decimal comma?" if n_cells > n_columns else ""
        faults.add(
            "a row of the wrong length", row.line, f"{n_cells} cells, {n_columns} columns{hint}"
        )
        return
    if layout.kind == "wide":
        name = _name(row.cells[places[0]], row.line, faults)
        for rater, place in zip(layout.values, places[1:], strict=True):
            yield _entry(row, name, row.cells[place], rater, faults)
    elif layout.kind == "transposed":
        rater = row.cells[places[0]] if layout.rater else f"line {row.line}"
        if not rater:
            faults.add("the rater is missing", row.line)
        for image, place in zip(layout.values, places[-len(layout.values) :], strict=True):
            yield _entry(row, image_name(image), row.cells[place], rater, faults)
    else:
        yield from _single(row, places, layout, table.name, faults)


def _single(
    row: Row, places: Sequence[int], layout: Layout, source: str, faults: Faults
) -> Iterator[Entry]:
    cells = [row.cells[place] for place in places]
    if layout.kind != "means" and is_missing(cells[1]):
        yield _NONE
        return
    name = _name(cells[0], row.line, faults)
    rater = cells[-1] if layout.kind == "ratings" else ""
    rater = f"{source}, line {row.line}" if layout.kind == "anonymous" else rater
    if layout.kind == "ratings" and not rater:
        faults.add("the rater is missing", row.line)
    yield Entry(row.line, name, _number(cells[1], row.line, faults, layout.kind), rater)


def _entry(row: Row, name: str, cell: str, rater: str, faults: Faults) -> Entry:
    if is_missing(cell):
        return _NONE
    return Entry(row.line, name, _number(cell, row.line, faults, "wide"), rater)


def _name(cell: str, line: int, faults: Faults) -> str:
    name = image_name(cell) if cell else ""
    if not name:
        faults.add("the image's name is missing", line)
    return name


def _number(text: str, line: int, faults: Faults, kind: str) -> float:
    answer = _ONE_ANSWER.fullmatch(text)
    text = answer[1].strip() if answer else text
    if is_missing(text):
        faults.add("the rating is missing", line, quoted(text) if text else "")
    elif plain_number(text) or _INFINITE.fullmatch(text):
        value = float(text)
        if abs(value) <= _LARGEST:
            return value
        if math.isfinite(value):
            faults.add(f"the rating is beyond {_LARGEST:g}", line, quoted(text))
            return math.nan
        faults.add("the rating is infinite", line, quoted(text))
    elif _THOUSANDS.fullmatch(text):
        whole, point = text.replace(",", ""), text.replace(",", ".")
        ways = f"{whole} or {point}" if text.count(",") == 1 and "." not in text else whole
        faults.add("a comma, of thousands or of decimals", line, f"{quoted(text)}, write {ways}")
    elif _DECIMAL_COMMA.fullmatch(text):
        faults.add("a decimal comma", line, f"{quoted(text)}, write {text.replace(',', '.')}")
    else:
        hint = _SELECT if kind in ("ratings", "anonymous") else ""
        faults.add("text instead of a rating", line, quoted(text), hint=hint)
    return math.nan


def same_characters(name: str) -> str:
    """One spelling of the same characters, composed or decomposed: they name the same image."""
    return unicodedata.normalize("NFC", name)


def note_repeated(entries: Sequence[Entry], long: bool, faults: Faults) -> None:
    """Note ratings of an image, or by one rater of an image, beyond the first."""
    first: dict[str | tuple[str, str], int] = {}
    kind = "an image twice by the same rater" if long else "an image twice"
    hint = (
        'ratings given twice are averaged with [columns] retests = "mean"'
        if long
        else 'if each row is another person\'s rating, say [columns] raters = "anonymous"'
    )
    for entry in entries:
        name = same_characters(entry.image)
        key = (name, entry.rater) if entry.rater else name
        if key in first and (entry.rater or not long):
            what = f"{entry.image!r} by {entry.rater!r}" if long else repr(entry.image)
            faults.add(kind, entry.line, f"{what}, first on line {first[key]}", hint=hint)
        first.setdefault(key, entry.line)
