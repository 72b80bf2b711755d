"""Similarities from choices among three images: which is nearer to a reference, which the odd one.

A pair's similarity is the share of the choices it was part of that went for it; pairs that nobody
saw are missing, and how often a pair was seen is its weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError, quoted
from aisthesis.judgments.files.cells import image_name, is_missing, number_or_nan, plain_number
from aisthesis.judgments.files.faults import Faults
from aisthesis.judgments.files.matrix import Matrix, Triplet
from aisthesis.judgments.files.table import Row, Table

if TYPE_CHECKING:
    from aisthesis.config import SimilarityColumns

__all__ = [
    "is_triplets",
    "read_triplets",
    "renamed_triplets",
    "triplet_agreement",
    "triplets_of",
]

_LETTERS = (("1", "a", "left", "first"), ("2", "b", "right", "second"), ("3", "c", "third"))
#: Subjects who judged so many of the pairs have matrices of their own.
_DENSE = 0.5
_MOST_VALUES = 1e8


def is_triplets(table: Table, columns: SimilarityColumns) -> bool:
    """Whether a table holds three images a row."""
    two = {columns.image_a, columns.image_b} <= set(table.columns)
    return two and bool({columns.reference, columns.image_c} & set(table.columns))


def triplets_of(table: Table, columns: SimilarityColumns) -> tuple[list[Triplet], int]:
    """All choices of a table, and how many rows have none.

    Beside a `reference`: `choice`, the nearer of `image_a` and `image_b`, or their votes. Without
    one: `odd`, the odd one of `image_a`, `image_b` and `image_c`, or their votes for being it, or
    the column in which it always stands.

    Raises
    ------
    RequestError
        With all rows that cannot be read.
    """
    reference = columns.reference in table.columns
    images = [columns.image_a, columns.image_b, *([] if reference else [columns.image_c])]
    votes = [columns.votes_a, columns.votes_b, columns.votes_c][: len(images)]
    said = columns.choice if reference else columns.odd
    places = [table.index(c) for c in ([columns.reference] if reference else []) + images]
    if said in table.columns and said not in images:
        extra = [table.index(said)]
    elif set(votes) <= set(table.columns):
        extra = [table.index(column) for column in votes]
    elif said in images:
        extra = []
    else:
        raise RequestError(
            f"{table.name}: expected the column {said!r} with "
            f"{'the nearer image' if reference else 'the odd image'}, or {', '.join(votes)} with "
            f"numbers of votes; name them under [columns]{'' if reference else _ALWAYS}"
        )
    who = table.index(columns.subject) if columns.subject in table.columns else None
    faults = Faults(table.name, len(table.rows))
    found, n_none = [], 0
    for row in table.rows:
        if len(row.cells) <= max([*places, *extra, who or 0]):
            faults.add("a row of the wrong length", row.line, f"{len(row.cells)} cells")
            continue
        shown = [image_name(row.cells[place]) for place in places]
        if not all(shown) or len(set(shown)) < len(shown):
            faults.add("an image is missing, or there twice", row.line)
            continue
        options = shown[1:] if reference else shown
        weights = (
            [float(column == said) for column in images]
            if not extra
            else _chosen(row, [row.cells[place] for place in extra], options, faults)
        )
        if not sum(weights):
            n_none += 1
        subject = row.cells[who] if who is not None else ""
        found += [
            _triplet(shown, number, reference, subject, weight)
            for number, weight in enumerate(weights)
            if weight
        ]
    faults.refuse_any()
    return found, n_none


_ALWAYS = ', or say which column always holds the odd one: odd = "image_c"'


def _chosen(row: Row, cells: list[str], options: list[str], faults: Faults) -> list[float]:
    """How many chose each of the options; none where the answer is missing."""
    if len(cells) > 1:
        if not all(plain_number(c) or is_missing(c) for c in cells):
            faults.add("text instead of a number of votes", row.line, quoted(", ".join(cells)))
        numbers = np.nan_to_num([number_or_nan(cell) for cell in cells])
        if (numbers < 0).any():
            faults.add("a number of votes below zero", row.line)
        return [float(number) for number in numbers]
    cell = cells[0]
    if is_missing(cell):
        return [0.0] * len(options)
    hit = [
        cell.lower() in letters or image_name(cell) == option
        for letters, option in zip(_LETTERS, options, strict=False)
    ]
    if sum(hit) != 1:
        hint = "a choice is the name of one of the images, its number from 1 on, or its letter"
        faults.add("a choice of none of the images", row.line, quoted(cell), hint=hint)
    return [float(one) for one in hit]


def renamed_triplets(
    triplets: Sequence[Triplet], name: Callable[[str], str]
) -> tuple[Triplet, ...]:
    """The same choices among images of other names."""

    def both(pair: tuple[str, str]) -> tuple[str, str]:
        return name(pair[0]), name(pair[1])

    return tuple(replace(t, pair=both(t.pair), over=tuple(map(both, t.over))) for t in triplets)


def _triplet(
    shown: list[str], number: int, reference: bool, subject: str, weight: float
) -> Triplet:
    if reference:
        other = shown[2] if number == 0 else shown[1]
        return Triplet((shown[0], shown[number + 1]), ((shown[0], other),), subject, weight)
    odd = shown[number]
    one, two = (name for name in shown if name != odd)
    return Triplet((one, two), ((one, odd), (two, odd)), subject, weight)


def read_triplets(table: Table, columns: SimilarityColumns) -> list[Matrix]:
    """Similarities of every subject; of all together where each saw few of the pairs."""
    found, n_none = triplets_of(table, columns)
    if not found:
        raise RequestError(f"{table.name}: all {n_none} choices are missing")
    names = list(dict.fromkeys(n for t in found for pair in (t.pair, *t.over) for n in pair))
    total = sum(triplet.weight for triplet in found)
    chosen, seen = _counts(found, names)
    n_pairs = len(names) * (len(names) - 1) // 2
    n_seen = int((np.triu(seen, 1) > 0).sum())
    said = [
        f"{total:,.0f} choices among three of {len(names):,} images: a pair's similarity is the "
        f"share of its choices that went for it; {n_seen:,} of {n_pairs:,} pairs were seen"
    ]
    if n_none:
        said.append(f"{n_none:,} rows without a choice left out")
    by_subject: dict[str, list[Triplet]] = {}
    for triplet in found:
        by_subject.setdefault(triplet.subject, []).append(triplet)
    own: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    if 1 < len(by_subject) <= _MOST_VALUES / n_pairs:
        own = [(who, *_counts(some, names)) for who, some in by_subject.items()]
    if not own or min((np.triu(n, 1) > 0).sum() for _, _, n in own) < _DENSE * n_pairs:
        if len(by_subject) > 1:
            said.append(f"{len(by_subject):,} subjects saw few of the pairs each, and are pooled")
        own = [("" if len(by_subject) > 1 else next(iter(by_subject)), chosen, seen)]
    matrices = [
        Matrix(tuple(names), _share(wins, n), who, table.name, "similarity", n, tuple(said))
        for who, wins, n in own
    ]
    return [replace(matrices[0], triplets=tuple(found)), *matrices[1:]]


def _counts(
    triplets: Sequence[Triplet], names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each pair was chosen, and how often it might have been; symmetric."""
    place = {name: i for i, name in enumerate(names)}
    chosen = np.zeros((len(names), len(names)))
    seen = np.zeros_like(chosen)
    for triplet in triplets:
        for pair in (triplet.pair, *triplet.over):
            i, j = place[pair[0]], place[pair[1]]
            seen[i, j] += triplet.weight
            seen[j, i] += triplet.weight
        i, j = place[triplet.pair[0]], place[triplet.pair[1]]
        chosen[i, j] += triplet.weight
        chosen[j, i] += triplet.weight
    return chosen, seen


def _share(chosen: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(seen > 0, chosen / np.maximum(seen, 1e-300), np.nan)


def triplet_agreement(
    similarity: NDArray[np.float64], names: Sequence[str], triplets: Sequence[Triplet]
) -> float:
    """Share of choices that similarities predict: the chosen pair is the most similar one.

    Parameters
    ----------
    similarity : (N, N)
        Of a network, or of other people.
    names
        Images in the order of its rows.
    triplets
        Those of other images are left out. Ties with the chosen pair share it equally.

    Returns
    -------
    float
        In [0, 1]; chance is 1/2 beside a reference and 1/3 for an odd one out. NaN where no choice
        has all its values.
    """
    place = {name: i for i, name in enumerate(names)}
    right = total = 0.0
    for triplet in triplets:
        pairs = (triplet.pair, *triplet.over)
        if any(name not in place for pair in pairs for name in pair):
            continue
        values = np.array([similarity[place[a], place[b]] for a, b in pairs])
        if np.isnan(values).any():
            continue
        total += triplet.weight
        best = values == values.max()
        right += triplet.weight * best[0] / best.sum()
    return right / total if total else float("nan")
