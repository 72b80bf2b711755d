"""Choices between two images out of a table: who won, or which of the two was chosen."""

from __future__ import annotations

from collections.abc import Callable

from aisthesis.errors import quoted
from aisthesis.judgments.files.cells import image_name, is_missing, number_or_nan, plain_number
from aisthesis.judgments.files.faults import Faults
from aisthesis.judgments.files.table import Row, Table
from aisthesis.judgments.ratings.layout import Layout
from aisthesis.judgments.ratings.pairwise import Choice

__all__ = ["read_choices"]

#: Share of a choice that is the first image's, and its weight.
Said = tuple[float, float]
_MOST_VOTES = 10_000
_FIRST = frozenset(["1", "a", "left", "first"])
_SECOND = frozenset(["2", "b", "right", "second"])
_TIE = frozenset(["tie", "draw", "equal", "same", "both", "0.5", "="])


def read_choices(table: Table, layout: Layout, faults: Faults) -> tuple[list[Choice], int]:
    """All choices of a table, and how many rows have none.

    The chosen image is named, or said by `a`/`b`, `left`/`right`, `first`/`second`, `1`/`2` (not
    0/1, which may mean either), or `tie`; or each image has its number of votes.
    """
    places = [table.index(column) for column in layout.values]
    rater = table.index(layout.rater) if layout.rater else None
    read = {"winner": _won, "choice": _chosen, "votes": _voted}[layout.rating]
    choices, n_none = [], 0
    for row in table.rows:
        if len(row.cells) <= max(*places, rater or 0):
            faults.add("a row of the wrong length", row.line, f"{len(row.cells)} cells")
            continue
        first, second = (image_name(row.cells[place]) for place in places[:2])
        found = read(row, [row.cells[place] for place in places], faults)
        if found is None:
            n_none += 1
            continue
        if not first or not second:
            faults.add("the image's name is missing", row.line)
        elif first == second:
            faults.add("an image against itself", row.line, quoted(first))
        who = row.cells[rater] if rater is not None else ""
        choices += [Choice(row.line, first, second, share, who, w) for share, w in found]
    return choices, n_none


def _won(_row: Row, cells: list[str], _faults: Faults) -> list[Said] | None:
    return None if all(map(is_missing, cells)) else [(1.0, 1.0)]


def _chosen(row: Row, cells: list[str], faults: Faults) -> list[Said] | None:
    cell = cells[2]
    if is_missing(cell):
        return None
    said: list[tuple[float, Callable[[str], bool]]] = [
        (1.0, lambda c: c.lower() in _FIRST or image_name(c) == image_name(cells[0])),
        (0.0, lambda c: c.lower() in _SECOND or image_name(c) == image_name(cells[1])),
        (0.5, lambda c: c.lower() in _TIE),
    ]
    for share, means in said:
        if means(cell):
            return [(share, 1.0)]
    hint = "a choice is the name of one of the two images, a or b, left or right, 1 or 2, or tie"
    faults.add("a choice of neither image", row.line, quoted(cell), hint=hint)
    return None


def _voted(row: Row, cells: list[str], faults: Faults) -> list[Said] | None:
    votes = [number_or_nan(cell) if not is_missing(cell) else 0.0 for cell in cells[2:]]
    if not all(plain_number(c) or is_missing(c) for c in cells[2:]) or min(votes) < 0:
        faults.add("text instead of a number of votes", row.line, quoted(", ".join(cells[2:])))
        return None
    total = sum(votes)
    if all(vote.is_integer() for vote in votes) and total <= _MOST_VOTES:
        # One by one, so that halves of them can be compared.
        return [(1.0, 1.0)] * int(votes[0]) + [(0.0, 1.0)] * int(votes[1]) or None
    return [(votes[0] / total, total)]
