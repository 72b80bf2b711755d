"""Delimited text, whoever saved it, as rows that remember their line."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

from aisthesis.errors import RequestError, nearest

__all__ = ["Row", "Table", "read_table"]

_DELIMITERS = (",", ";", "\t")
# Tried where none of the others divides the first line; runs of spaces are one.
_RARER = ("|", "=", " ")
_SPACES = re.compile(r"[ \t]+")
# Not str.splitlines, which also ends lines at characters that a cell may hold.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_KEPT = 1 << 12
_DECLARED_DELIMITER = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: the line of the file on which it begins, and its trimmed cells."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    name
        The file's name, for messages.
    columns
        Names in the header, trimmed.
    rows
        All rows but empty ones; a row may have more or fewer cells than there are columns.
    delimiter
        Comma, semicolon, tab, bar, equals sign or space; empty where the file is no text.
    headless
        Whether the names of the columns were given, or found, and are not in the file.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    delimiter: str
    headless: bool = False

    def cells(self, column: str) -> list[str]:
        """Cells of a column; empty where a row is too short.

        Raises
        ------
        RequestError
            As `index`.
        """
        place = self.index(column)
        return [row.cells[place] if place < len(row.cells) else "" for row in self.rows]

    def index(self, column: str) -> int:
        """Place of a column.

        Raises
        ------
        RequestError
            If the column is missing (with the nearest right names) or there twice.
        """
        if self.columns.count(column) > 1:
            raise RequestError(
                f"{self.name}: the column {column!r} is there {self.columns.count(column)} times; "
                "rename or remove all but one."
            )
        if column not in self.columns:
            close = nearest(column, self.columns, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise RequestError(
                f"{self.name}: there is no column {column!r}{hint}; its columns are "
                f"{', '.join(map(repr, self.columns))}. Other names are given as "
                "`--column rating=NAME`, or under [columns] in the study file."
            )
        return self.columns.index(column)


def read_table(path: Path, wanted: tuple[str, ...], names: Sequence[str] = ()) -> Table:
    """Read text divided by commas, semicolons, tabs, bars, equals signs or spaces.

    UTF-8, with or without a byte order mark, and UTF-16 and UTF-32 with one. The delimiter is the
    one that makes most of the `wanted` columns, then most columns, of the header; a first line
    `sep=;`, as Excel writes it, decides instead. Bars, equals signs and spaces are tried where
    commas, semicolons and tabs make one column only.

    Parameters
    ----------
    path
        The file.
    wanted
        Column names that may be in the header.
    names
        Names of the columns by position, of text without a header.

    Raises
    ------
    RequestError
        If there is no such file, it is no text in these encodings, or it holds no rows.
    """
    # One after the other: a long table is not held as lines beside its rows.
    lines = (found.group() for found in _LINE.finditer(_read_text(path)))
    skipped, header = next(((i, one) for i, one in enumerate(lines) if one.strip()), (0, ""))
    if not header:
        raise RequestError(f"{path.name} is empty; a header and one row an image are needed.")
    declared = _DECLARED_DELIMITER.fullmatch(header)
    second = next(lines, None) if declared else None
    if declared and second is not None:
        delimiter, header, skipped = declared.group(1), second, skipped + 1
    elif names:
        delimiter = _dividing(path, header, len(names))
    else:
        delimiter = _delimiter(path, header, wanted)
    rows = _rows(path, chain([header], lines), skipped, delimiter)
    if names:
        return Table(path.name, _by_position(path, names, rows), tuple(rows), delimiter, True)
    if len(rows) < 2:
        raise RequestError(f"{path.name} holds a header and no rows; one row an image is needed.")
    return Table(path.name, rows[0].cells, tuple(rows[1:]), delimiter)


def _by_position(path: Path, names: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """The names given, and numbers for columns that have none."""
    width = max(len(row.cells) for row in rows)
    if len(names) > width:
        raise RequestError(
            f"{path.name}: `columns` names {len(names)} columns by position, but its rows have "
            f"{width} cells; name as many, or fewer"
        )
    return (*names, *(f"column {n + 1}" for n in range(len(names), width)))


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise RequestError(f"{path} is a folder; give the CSV or TSV file with the ratings.")
    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise RequestError(f"{path} is a pipe or a device; give a CSV or TSV file.")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RequestError(
            f"There is no file {path}; give the CSV or TSV file with the ratings."
        ) from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}.") from None
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise RequestError(
            f"{path.name} is a spreadsheet workbook, not text; give it its ending (.xlsx), or "
            "save it from the spreadsheet program as CSV (UTF-8)."
        )
    encoding = "utf-8"
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RequestError(
            f"{path.name} is not {encoding.upper()} text (byte 0x{data[error.start]:02X} on line "
            f"{line}); save it as UTF-8, so that names with accents are read as they are."
        ) from None
    if "\0" in text:
        raise RequestError(
            f"{path.name} is not text (it holds NUL characters); save it as CSV in UTF-8."
        )
    return text


def _delimiter(path: Path, header: str, wanted: tuple[str, ...]) -> str:
    def fit(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(_spaced([header], delimiter), delimiter=delimiter)
        cells = [cell.strip() for cell in next(reader, [])]
        return len(set(wanted) & set(cells)), len(cells)

    try:
        best = max(_DELIMITERS, key=fit)
        # A name may hold spaces; only where nothing else divides the line do they.
        rarer = max(_RARER, key=fit)
        return rarer if fit(best)[1] == 1 and fit(rarer)[1] > 1 else best
    except csv.Error as error:
        raise RequestError(
            f"{path.name}: the first line cannot be read as a header ({error}); the names of the "
            "columns are needed there."
        ) from None


def _dividing(path: Path, line: str, n_columns: int) -> str:
    """The delimiter that makes as many cells as there are names, or the first that makes more."""
    try:
        counts = {
            d: len(next(csv.reader(_spaced([line], d), delimiter=d), []))
            for d in (*_DELIMITERS, *_RARER)
        }
    except csv.Error as error:
        raise RequestError(f"{path.name}: the first line cannot be read ({error})") from None
    return max(counts, key=lambda d: (counts[d] == n_columns, min(counts[d], n_columns)))


def _spaced(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """Lines in which runs of spaces are one, where spaces divide them."""
    if delimiter != " ":
        return iter(lines)
    return (f"{_SPACES.sub(' ', line.strip())}\n" for line in lines)


def _rows(path: Path, lines: Iterable[str], skipped: int, delimiter: str) -> list[Row]:
    reader = csv.reader(_spaced(lines, delimiter), delimiter=delimiter, strict=True)
    # The same ratings, raters and words stand in many rows: each is held once.
    trimmed_cell = lru_cache(_KEPT)(str.strip)
    rows = []
    line = skipped + 1
    try:
        for cells in reader:
            trimmed = tuple(map(trimmed_cell, cells))
            if any(trimmed):
                rows.append(Row(line, trimmed))
            line = skipped + reader.line_num + 1
    except csv.Error as error:
        raise RequestError(
            f"{path.name}: line {line} cannot be read as a row ({error}); "
            "is there a quotation mark that is never closed?"
        ) from None
    return rows
