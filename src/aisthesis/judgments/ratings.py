"""Human ratings of images, from a table to numbers that can be trusted."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from aisthesis.errors import RequestError, quoted
from aisthesis.judgments.noise_ceiling import NoiseCeiling, noise_ceiling
from aisthesis.judgments.table import Row, Table, read_table

__all__ = ["Ratings", "read_ratings"]

_LISTED = 10
# Maps are stored in float32, which holds the squares of no larger or smaller ones.
_LARGEST = 1e15
_LEAST_SPREAD = 1e-15
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+", re.ASCII)
# As many digits as thousands have: `1,234` may be 1234 or 1.234.
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class Ratings:
    """Human ratings of images.

    Attributes
    ----------
    mean
        One row an image, in the order of the table: `image`; `rating`, the mean over raters, on
        the table's own scale; `sd`, the sample SD over raters (NaN where fewer than two raters);
        `n_raters` (missing where single raters are not known).
    single
        Long format only: one row a rating: `image`, `rater`, `rating`.
    noise_ceiling
        Long format only: how well any prediction can agree with these ratings.
    """

    mean: pd.DataFrame
    single: pd.DataFrame | None = None
    noise_ceiling: NoiseCeiling | None = None


def read_ratings(
    path: Path | str,
    *,
    image: str = "image",
    rating: str = "rating",
    rater: str = "rater",
    seed: int = 0,
) -> Ratings:
    """Read a CSV or TSV table of ratings.

    With a column of raters the table is in long format, one row an image and rater, and single
    raters, SDs and the noise ceiling are known; without it there is one row an image.

    Parameters
    ----------
    path
        Comma-, semicolon- or tab-separated, UTF-8 (or UTF-16 with a byte order mark). Other
        columns are ignored.
    image, rating, rater
        Names of the columns. Image names are relative to the image folder.
    seed
        Of the noise ceiling's random halves.

    Raises
    ------
    RequestError
        With all faults of the table in one message, by kind and with line numbers of the file
        (the header is line 1): text or decimal commas instead of a number, missing and infinite
        ratings, empty names, rows of the wrong length, an image (or an image and rater) twice,
        ratings that are all the same; or what is wrong with the file as a whole.
    """
    table = read_table(Path(path), (image, rating, rater))
    places = [table.index(image), table.index(rating)]
    long = rater in table.columns
    if long:
        places.append(table.index(rater))
    faults = _Faults(table.name, len(table.rows))
    entries = [_entry(table, row, places, faults) for row in table.rows]
    _find_duplicates([entry for entry in entries if entry.image], long, faults)
    faults.refuse_any()
    ratings = _long_format(entries, seed) if long else _wide_format(entries)
    _refuse_constant(table.name, ratings.mean["rating"])
    return ratings


@dataclass(frozen=True)
class _Entry:
    line: int
    image: str
    rating: float
    rater: str = ""


class _Faults:
    """Faults of a table by kind, told in one message."""

    def __init__(self, table: str, n_rows: int) -> None:
        self._table, self._n_rows = table, n_rows
        self._by_kind: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, line: int, detail: str = "") -> None:
        self._by_kind[kind].append(f"line {line}{f' ({detail})' if detail else ''}")

    def refuse_any(self) -> None:
        if not self._by_kind:
            return
        parts = []
        for kind, lines in self._by_kind.items():
            more = f" and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
            parts.append(f"{kind}: {', '.join(lines[:_LISTED])}{more}")
        raise RequestError(
            f"{self._table} cannot be used as it is ({self._n_rows} rows). {'; '.join(parts)}. "
            "Correct or remove these lines."
        )


def _entry(table: Table, row: Row, places: list[int], faults: _Faults) -> _Entry:
    n_cells, n_columns = len(row.cells), len(table.columns)
    # Spreadsheets end rows with empty cells; only cells that hold something are too many.
    if any(row.cells[n_columns:]) or n_cells <= max(places):
        hint = "; is there a decimal comma?" if n_cells > n_columns else ""
        faults.add(
            "a row of the wrong length", row.line, f"{n_cells} cells, {n_columns} columns{hint}"
        )
        return _Entry(row.line, "", math.nan)
    cells = [row.cells[place] for place in places]
    name = PurePosixPath(cells[0]).as_posix() if cells[0] else ""
    if not name:
        faults.add("the image's name is missing", row.line)
    rater = cells[2] if len(cells) > 2 else ""
    if len(cells) > 2 and not rater:
        faults.add("the rater is missing", row.line)
    return _Entry(row.line, name, _number(cells[1], row.line, faults), rater)


def _number(text: str, line: int, faults: _Faults) -> float:
    if text.lower() in _MISSING:
        faults.add("the rating is missing", line, quoted(text) if text else "")
    elif _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text):
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
        faults.add("text instead of a rating", line, quoted(text))
    return math.nan


def _find_duplicates(entries: Iterable[_Entry], long: bool, faults: _Faults) -> None:
    first: dict[tuple[str, str], int] = {}
    kind = "an image twice by the same rater" if long else "an image twice"
    for entry in entries:
        # The same characters in composed and decomposed spelling name the same image.
        key = (unicodedata.normalize("NFC", entry.image), entry.rater)
        if key in first and (entry.rater or not long):
            what = f"{entry.image!r} by {entry.rater!r}" if long else repr(entry.image)
            faults.add(kind, entry.line, f"{what}, first on line {first[key]}")
        first.setdefault(key, entry.line)


def _wide_format(entries: list[_Entry]) -> Ratings:
    mean = pd.DataFrame(
        {
            "image": [entry.image for entry in entries],
            "rating": np.array([entry.rating for entry in entries], dtype=np.float64),
        }
    )
    mean["sd"] = np.nan
    mean["n_raters"] = pd.array([pd.NA] * len(mean), dtype="Int64")
    return Ratings(mean)


def _long_format(entries: list[_Entry], seed: int) -> Ratings:
    # Composed and decomposed spelling of a name are one image; the first spelling is kept.
    spelling: dict[str, str] = {}
    by_image: dict[str, list[float]] = {}
    images = []
    for entry in entries:
        name = spelling.setdefault(unicodedata.normalize("NFC", entry.image), entry.image)
        by_image.setdefault(name, []).append(entry.rating)
        images.append(name)
    single = pd.DataFrame(
        {
            "image": images,
            "rater": [entry.rater for entry in entries],
            "rating": np.array([entry.rating for entry in entries], dtype=np.float64),
        }
    )
    # Exact sums: the order of the rows cannot change the last digit of a mean.
    means = [math.fsum(values) / len(values) for values in by_image.values()]
    mean = pd.DataFrame({"image": list(by_image), "rating": np.array(means, dtype=np.float64)})
    mean["sd"] = [_sd(values) for values in by_image.values()]
    mean["n_raters"] = pd.array([len(values) for values in by_image.values()], dtype="Int64")
    return Ratings(mean, single, noise_ceiling(single, seed=seed))


def _sd(values: list[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _refuse_constant(table: str, ratings: pd.Series[float]) -> None:
    # Means of equal ratings may differ in their last digit.
    spread, size = ratings.max() - ratings.min(), ratings.abs().max()
    if len(ratings) > 1 and spread <= 1e-12 * size:
        raise RequestError(
            f"{table}: all {len(ratings)} images have the same mean rating ({ratings.iloc[0]:g}), "
            "so there is nothing to predict; ratings that differ between images are needed."
        )
    if len(ratings) > 1 and spread < _LEAST_SPREAD:
        raise RequestError(
            f"{table}: the mean ratings differ by {spread:g} at most, below {_LEAST_SPREAD:g}, too "
            "little for maps in rating units; multiply the ratings by a large number."
        )
