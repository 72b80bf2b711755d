"""Columns of a table that belong together by their names, and what their values speak for."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.judgments.files.cells import is_missing, number_or_nan, plain_number
from aisthesis.judgments.files.table import Table
from aisthesis.stats.correlation import pearson

__all__ = ["Family", "families", "numbers", "numeric_columns", "speaks_for"]

_NUMBERED = re.compile(r"(.*?)[ _.\-]*(\d+)")
_RATERS = "r rater s sub subj subject p part participant o obs observer u user judge annotator"
_OF_RATERS = frozenset([*_RATERS.split(), "worker", "expert", "evaluator", "person", "vp", "id"])
_VOTES = "c count counts n num vote votes v freq star stars score bin rating ratings level"
_OF_VOTES = frozenset(["", *_VOTES.split()])
_MIN_SHARE = 0.95


@dataclass(frozen=True)
class Family:
    """Columns named by one word and numbers that follow one another, as `c1` to `c5`.

    Attributes
    ----------
    word
        In lower case, without what joins it to the numbers.
    columns
        In the order of their numbers.
    numbers
    """

    word: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]

    @property
    def shown(self) -> str:
        """First and last column, for messages."""
        return f"{self.columns[0]} to {self.columns[-1]}"


def families(table: Table, others: Collection[str]) -> list[Family]:
    """All families of two or more columns of numbers beside some columns."""
    found: dict[str, dict[int, str]] = {}
    for column in table.columns:
        match = _NUMBERED.fullmatch(column)
        if match and column not in others and table.columns.count(column) == 1:
            found.setdefault(match[1].lower(), {})[int(match[2])] = column
    numeric = set(numeric_columns(table, others)) if found else set()
    return [
        Family(word, tuple(by[n] for n in sorted(by)), tuple(sorted(by)))
        for word, by in found.items()
        if len(by) > 1 and max(by) - min(by) == len(by) - 1 and numeric >= set(by.values())
    ]


def numeric_columns(table: Table, others: Collection[str]) -> list[str]:
    """Columns, beside some, of numbers and missing values, with at least one number."""
    found = []
    for column in table.columns:
        if column in others or not column or table.columns.count(column) > 1:
            continue
        cells = [cell for cell in table.cells(column) if not is_missing(cell)]
        if cells and all(map(plain_number, cells)):
            found.append(column)
    return found


def numbers(table: Table, columns: Collection[str]) -> NDArray[np.float64]:
    """Values of some columns, (rows, columns); NaN where there is no number."""
    cells = [list(map(number_or_nan, table.cells(column))) for column in columns]
    return np.array(cells, dtype=np.float64).T


def speaks_for(family: Family, values: NDArray[np.float64]) -> str:
    """What a family holds: `votes`, `raters`, `either`, or nothing of these (empty).

    Counts of votes are whole numbers whose sum is the same for every image, or some of them are
    zero and images with many low votes have few high ones. Columns called after raters are never
    votes; numbers with gaps or fractions cannot be.

    Parameters
    ----------
    family
    values : (rows, columns)
    """
    if family.word in _OF_RATERS:
        return "raters"
    if family.word not in _OF_VOTES:
        return ""
    if not np.isfinite(values).all() or (values < 0).any() or (values % 1 != 0).any():
        return "raters"
    total = values.sum(1)
    if len(values) > 1 and total[0] > 1:
        usual = np.median(total)
        if (total == usual).mean() >= _MIN_SHARE and (values.std(0) > 0).any():
            return "votes"
    if len(values) > 2 and (values == 0).any() and len(family.columns) > 2:
        half = len(family.columns) // 2
        low, high = values[:, :half].sum(1), values[:, -half:].sum(1)
        if pearson(low, high) < 0:  # no number where one is constant
            return "votes"
    return "either"
