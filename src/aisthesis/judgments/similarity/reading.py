"""Matrices of pairwise judgments out of text, array files and rsatoolbox objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisthesis.config import SimilarityColumns
from aisthesis.errors import RequestError, quoted
from aisthesis.judgments.files.array_files import read_arrays
from aisthesis.judgments.files.cells import MISSING, image_name
from aisthesis.judgments.files.image_list import read_image_list
from aisthesis.judgments.files.json_files import is_meadows, load_json, read_meadows
from aisthesis.judgments.files.matrix import Matrix
from aisthesis.judgments.files.own_reader import read_own
from aisthesis.judgments.files.rsa import from_rdms, is_rdms, read_rdms
from aisthesis.judgments.files.table import Row, Table, read_table
from aisthesis.judgments.files.table_files import read_any_table, table_of
from aisthesis.judgments.similarity.triplets import is_triplets, read_triplets

__all__ = ["Matrix", "holds_pairs", "read_matrices"]

_TEXT = (".csv", ".tsv", ".txt")
_JSON = (".json", ".jsonl")
_ARRAYS = (".npy", ".npz", ".mat")
_RDMS = (".h5", ".hdf5")
_PICKLES = (".pkl", ".pickle")
_LISTED = 5
#: So many repeated pairs are meant; fewer that contradict each other are taken for a mistake.
_FEWEST_REPEATED = 3


def holds_pairs(path: Path, columns: SimilarityColumns) -> bool:
    """Whether a file is text with the columns of judged pairs or triplets; False if unreadable."""
    if path.suffix.lower() not in _TEXT:
        return path.suffix.lower() in _RDMS
    try:
        table = read_table(path, (columns.image_a, columns.image_b), columns.names)
    except RequestError:
        return False
    pairs = {columns.image_a, columns.image_b} <= set(table.columns)
    valued = {columns.similarity, columns.dissimilarity} & set(table.columns)
    return is_triplets(table, columns) or (pairs and bool(valued))


def read_matrices(
    source: Any,
    *,
    image_list: Path | None,
    variable: str | None,
    columns: SimilarityColumns,
) -> list[Matrix]:
    """Read the matrices of all subjects; parameters as in `read_similarities`.

    Raises
    ------
    RequestError
        If a file is missing or cannot be read as what it is.
    """
    names = None if image_list is None else read_image_list(Path(image_list))
    if is_rdms(source):
        return from_rdms(source, names, variable, "the RDMs")
    if not isinstance(source, str | Path):
        paths = [Path(path) for path in source]
    elif Path(source).is_dir():
        paths = sorted(
            p for p in Path(source).iterdir() if _reader(p, columns) and not p.name.startswith(".")
        )
        if not paths:
            raise RequestError(f"expected files of judgments in {source}, found none; {_KNOWN}")
    else:
        paths = [Path(source)]
    matrices = []
    for path in paths:
        read = _reader(path, columns)
        if read is None or (path.suffix.lower() in _PICKLES and not columns.reader):
            raise RequestError(f"{path} cannot be read; {_KNOWN}{_why_not_pickle(path)}")
        if not path.is_file():
            raise RequestError(f"there is no file {path}; give the file with the judgments")
        # A long table without subjects is one subject's where files are, else their mean.
        alone = "mean" if isinstance(source, str | Path) and Path(source) == path else path.stem
        read_in = read(path, names, variable, columns)
        matrices += [m if m.subject else replace(m, subject=alone) for m in read_in]
    return matrices


_KNOWN = "judgments come as .csv, .tsv, .json, .npy, .npz, .mat, or RDMs of rsatoolbox as .hdf5"


def _why_not_pickle(path: Path) -> str:
    if path.suffix.lower() not in _PICKLES:
        return ""
    return " (opening a pickle runs whatever is in it: save the RDMs as HDF5 instead)"


def _reader(path: Path, columns: SimilarityColumns) -> Callable[..., list[Matrix]] | None:
    suffix = path.suffix.lower()
    if suffix in _TEXT or columns.reader:
        return _read_text
    if suffix in _JSON:
        return _read_json
    if suffix in _ARRAYS:
        return _read_arrays
    return _read_rdms if suffix in (*_RDMS, *_PICKLES) else None


def _read_arrays(
    path: Path, names: list[str] | None, variable: str | None, _columns: SimilarityColumns
) -> list[Matrix]:
    return read_arrays(path, names, variable)


def _read_rdms(
    path: Path, names: list[str] | None, variable: str | None, _columns: SimilarityColumns
) -> list[Matrix]:
    return read_rdms(path, names, variable)


def _read_text(
    path: Path, names: list[str] | None, _variable: str | None, columns: SimilarityColumns
) -> list[Matrix]:
    wanted = (columns.image_a, columns.image_b, columns.reference)
    if columns.reader:
        table = table_of(path, read_own(columns.reader, path), columns.names, named=True)
    else:
        table = read_table(path, wanted, columns.names)
    return _of_table(table, path, columns)


def _read_json(
    path: Path, _names: list[str] | None, _variable: str | None, columns: SimilarityColumns
) -> list[Matrix]:
    held = load_json(path)
    if is_meadows(held):
        return read_meadows(held, path)
    return _of_table(read_any_table(path, (columns.image_a, columns.image_b)), path, columns)


def _of_table(table: Table, path: Path, columns: SimilarityColumns) -> list[Matrix]:
    if is_triplets(table, columns):
        return read_triplets(table, columns)
    if columns.image_a in table.columns and columns.image_b in table.columns:
        return _long(table, columns)
    return [_square(table, path.stem)]


def _square(table: Table, subject: str) -> Matrix:
    """Names in the first row and the first column; the rows in any order."""
    width = {len(row.cells) for row in table.rows}
    # Some programs leave out the corner.
    header = table.columns if width == {len(table.columns) + 1} else table.columns[1:]
    across = [image_name(name) for name in header]
    down = [image_name(row.cells[0]) for row in table.rows]
    _require_names(table.name, across, "first row")
    _require_names(table.name, down, "first column")
    if set(across) != set(down):
        only = sorted(set(across) ^ set(down))
        raise RequestError(
            f"{table.name}: expected the same images in the first row and the first column, but "
            f"{_some(only)} {'is' if len(only) == 1 else 'are'} in one of them only; a long table "
            "needs the columns image_a and image_b"
        )
    values = np.array([_numbers(table.name, row, across) for row in table.rows])
    order = np.array([down.index(name) for name in across], dtype=np.intp)
    return Matrix(tuple(across), values[order], subject, table.name)


def _require_names(source: str, names: Sequence[str], where: str) -> None:
    if "" in names:
        raise RequestError(f"{source}: a name is missing in the {where}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"{source}: {_some(twice)} is in the {where} more than once")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _numbers(source: str, row: Row, across: Sequence[str]) -> list[float]:
    cells = row.cells[1:]
    if len(cells) != len(across):
        raise RequestError(
            f"{source}, line {row.line}: expected {len(across)} values beside the name, got "
            f"{len(cells)}"
        )
    return [
        _number(cell, f"{source}, line {row.line}, column {name}")
        for cell, name in zip(cells, across, strict=True)
    ]


def _number(text: str, where: str) -> float:
    if text.lower() in MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise RequestError(
            f"{where}: expected a number (with a decimal point), got {quoted(text)}; leave a pair "
            "that was not judged empty"
        ) from None
    if math.isinf(value):
        raise RequestError(f"{where}: expected a finite number, got {quoted(text)}")
    return value


def _long(table: Table, columns: SimilarityColumns) -> list[Matrix]:
    """One row a pair and subject; a pair may come in either order, or several times."""
    kind: Literal["similarity", "dissimilarity"]
    if columns.dissimilarity in table.columns and columns.similarity in table.columns:
        raise RequestError(
            f"{table.name} has a column {columns.similarity!r} and a column "
            f"{columns.dissimilarity!r}; leave out one of them"
        )
    kind = "dissimilarity" if columns.dissimilarity in table.columns else "similarity"
    value = table.index(columns.dissimilarity if kind == "dissimilarity" else columns.similarity)
    a, b = table.index(columns.image_a), table.index(columns.image_b)
    who = table.index(columns.subject) if columns.subject in table.columns else None
    judged: dict[str, _Pairs] = {}
    for row in table.rows:
        if len(row.cells) <= max(a, b, value, who or 0):
            raise RequestError(
                f"{table.name}, line {row.line}: expected {len(table.columns)} cells, got "
                f"{len(row.cells)}"
            )
        first, second = image_name(row.cells[a]), image_name(row.cells[b])
        if not first or not second:
            raise RequestError(f"{table.name}, line {row.line}: the name of an image is missing")
        number = _number(row.cells[value], f"{table.name}, line {row.line}")
        own = judged.setdefault(row.cells[who] if who is not None else "", _Pairs())
        own.add(first, second, number, row.line)
    repeated = sum(own.n_repeated for own in judged.values())
    said: tuple[str, ...] = ()
    if columns.repeated != "mean" and repeated < _FEWEST_REPEATED:
        for own in judged.values():
            own.refuse_contradictions(table.name)
    elif repeated:
        n = sum(len(values) for own in judged.values() for values in own.several())
        said = (
            f"{repeated:,} pairs were judged more than once by a subject, in either order "
            f"({n:,} judgments), and averaged",
        )
    return [
        replace(_from_pairs(table.name, subject, own.means(), kind), said=said)
        for subject, own in judged.items()
    ]


class _Pairs:
    """Judgments of one subject by pair, whichever image came first."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[tuple[float, int]]] = {}

    def add(self, first: str, second: str, number: float, line: int) -> None:
        """Keep a judgment; NaN for a pair that was shown, but not judged."""
        turned = (second, first)
        held = self._values.setdefault(turned if turned in self._values else (first, second), [])
        if not math.isnan(number):
            held.append((number, line))

    @property
    def n_repeated(self) -> int:
        """Pairs of different images with several judgments."""
        return len(self.several())

    def several(self) -> list[list[tuple[float, int]]]:
        """The judgments of each such pair, with their lines."""
        return [
            held for (one, other), held in self._values.items() if len(held) > 1 and one != other
        ]

    def refuse_contradictions(self, source: str) -> None:
        """Refuse a pair with two different values."""
        for (one, other), held in self._values.items():
            for number, line in held[1:]:
                if number != held[0][0]:
                    raise RequestError(
                        f"{source}, line {line}: {one} with {other} is {number:g}, but it was "
                        f"{held[0][0]:g} before; give each pair one value a subject, for instance "
                        'the mean, or say [columns] repeated = "mean"'
                    )

    def means(self) -> dict[tuple[str, str], float]:
        """Mean judgment of every pair, in both orders; NaN where there is none."""
        found: dict[tuple[str, str], float] = {}
        for (one, other), held in self._values.items():
            numbers = [number for number, _ in held]
            mean = math.fsum(numbers) / len(numbers) if numbers else math.nan
            value = numbers[0] if len(set(numbers)) == 1 else mean
            found[one, other] = found[other, one] = value
            found.setdefault((one, one), math.nan)
            found.setdefault((other, other), math.nan)
        return found


def _from_pairs(
    source: str,
    subject: str,
    pairs: dict[tuple[str, str], float],
    kind: Literal["similarity", "dissimilarity"],
) -> Matrix:
    names = tuple(sorted({name for pair in pairs for name in pair}))
    place = {name: i for i, name in enumerate(names)}
    values: NDArray[np.float64] = np.full((len(names), len(names)), np.nan)
    for (first, second), number in pairs.items():
        values[place[first], place[second]] = number
    return Matrix(names, values, subject, source, kind)
