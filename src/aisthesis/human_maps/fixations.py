"""Lists of fixations or clicks: a row each, in pixels of the photographs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aisthesis.errors import RequestError, quoted
from aisthesis.judgments.files.cells import image_name, is_missing, number_or_nan
from aisthesis.judgments.files.faults import Faults
from aisthesis.judgments.files.folder import Folder
from aisthesis.judgments.files.names import renamed
from aisthesis.judgments.files.table import Table
from aisthesis.judgments.files.table_files import read_any_table

__all__ = ["Fixations", "fixations_of", "on_photographs", "read_fixations"]

_KEYS = ("image", "x", "y")


@dataclass(frozen=True, eq=False)
class Fixations:
    """Where people looked or clicked.

    Attributes
    ----------
    table : pandas.DataFrame
        `image`, `x`, `y` in pixels of the photograph, from its upper left corner, and `subject`
        where it is known who looked.
    said : tuple of str
        What was left out or understood, in words.
    """

    table: pd.DataFrame
    said: tuple[str, ...] = ()


def read_fixations(
    path: Path, columns: Mapping[str, str] | None = None, folder: Folder | None = None
) -> Fixations:
    """Read a list of fixations: delimited text, a workbook, SPSS or Parquet.

    Parameters
    ----------
    path : Path
        Columns `image`, `x`, `y` and, where it is known who looked, `subject`. Rows without a place
        (blinks) are left out and counted.
    columns : mapping, optional
        Other names of these columns.
    folder : Folder, optional
        The photographs; names that are spelt otherwise are matched, where that is unambiguous.

    Raises
    ------
    RequestError
        If the file cannot be read, lacks a column, or holds text instead of numbers.
    """
    named = {key: key for key in (*_KEYS, "subject")} | dict(columns or {})
    table = read_any_table(path, tuple(named.values()))
    places = {key: _index(table, key, named[key]) for key in _KEYS}
    given = named["subject"] != "subject"
    if given or "subject" in table.columns:
        places["subject"] = table.index(named["subject"])
    found, n_missing = _rows(table, places)
    said = []
    if n_missing:
        said.append(f"{n_missing:,} of {len(table.rows):,} rows hold no place and are left out")
    read = Fixations(found, tuple(said))
    return read if folder is None else _matched(read, folder)


def fixations_of(table: pd.DataFrame) -> Fixations:
    """Check a table of fixations: `image`, `x`, `y` and perhaps `subject`.

    Raises
    ------
    RequestError
        If a column is missing, or a place is no number.
    """
    lacking = [key for key in _KEYS if key not in table.columns]
    if lacking:
        raise RequestError(
            f"expected fixations with the columns image, x and y, {' and '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} missing; rename them with DataFrame.rename"
        )
    found = table[[*_KEYS, *(["subject"] if "subject" in table.columns else [])]].copy()
    for key in ("x", "y"):
        numbers = pd.to_numeric(found[key], errors="coerce")
        odd = found[key][numbers.isna() & found[key].notna()]
        if len(odd):
            raise RequestError(
                f"expected numbers in the column {key} of the fixations, got {odd.iloc[0]!r}"
            )
        found[key] = numbers.astype(np.float64)
    found["image"] = found["image"].astype(str).astype("category")
    there = np.isfinite(found[["x", "y"]].to_numpy()).all(axis=1)
    n_missing = int((~there).sum())
    said = (
        (f"{n_missing:,} of {len(found):,} rows hold no place and are left out",)
        if n_missing
        else ()
    )
    return Fixations(found[there].reset_index(drop=True), said)


def on_photographs(fixations: Fixations, sizes_px: Mapping[str, tuple[float, float]]) -> Fixations:
    """Keep the fixations on photographs of a study; say which are on none of them, or beside.

    Raises
    ------
    RequestError
        If there are none, or more than half lie beside the photographs, or all within their first
        pixel: such coordinates are of a screen, or shares.
    """
    table = fixations.table
    known = table[table["image"].isin(sizes_px)]
    if known.empty:
        shown = ", ".join(map(quoted, dict.fromkeys(table["image"].head(20))))
        raise RequestError(
            "expected fixations on the study's images, but none of the "
            f"{table['image'].nunique()} images that they name is one of them ({shown[:200]})"
        )
    width, height = np.array([sizes_px[name] for name in known["image"]], dtype=np.float64).T
    x, y = known["x"].to_numpy(), known["y"].to_numpy()
    on = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    expected = "expected fixations in pixels of the photographs, from their upper left corner"
    if 2 * int(on.sum()) < len(known):
        raise RequestError(
            f"{expected}, but {int((~on).sum()):,} of {len(known):,} lie beside them (x from "
            f"{x.min():g} to {x.max():g}, y from {y.min():g} to {y.max():g}): are they pixels of a "
            "screen? Subtract where the photograph was shown, and divide by how far it was enlarged"
        )
    if len(known) > 1 and max(x.max(), y.max()) <= 1:
        raise RequestError(
            f"{expected}, but no coordinate is above {max(x.max(), y.max()):g}: are they shares? "
            "Multiply x by the photograph's width and y by its height"
        )
    said = list(fixations.said)
    if len(known) < len(table):
        n = len(table) - len(known)
        said.append(f"{n:,} of {len(table):,} are on images that the study does not have")
    if not on.all():
        said.append(f"{int((~on).sum()):,} of {len(known):,} lie beside the photographs")
    return Fixations(known[on].reset_index(drop=True), tuple(said))


def _index(table: Table, key: str, column: str) -> int:
    if column in table.columns:
        return table.index(column)
    raise RequestError(
        f"{table.name}: there is no column {column!r} for {key!r} of the fixations; its columns "
        f"are {', '.join(map(repr, table.columns))}. Another name is given by [human_maps] "
        f'{key} = "..." in the study file.'
    )


def _rows(table: Table, places: Mapping[str, int]) -> tuple[pd.DataFrame, int]:
    faults = Faults(table.name, len(table.rows))
    names: dict[str, int] = {}
    people: dict[str, int] = {}
    image, who, at_x, at_y = array("q"), array("q"), array("d"), array("d")
    n_missing = 0
    for row in table.rows:
        if len(row.cells) <= max(places.values()):
            faults.add("a row of the wrong length", row.line, f"{len(row.cells)} cells")
            continue
        cells = {key: row.cells[place] for key, place in places.items()}
        if is_missing(cells["x"]) or is_missing(cells["y"]):
            n_missing += 1
            continue
        if not (name := image_name(cells["image"])):
            faults.add("the image's name is missing", row.line)
        x, y = number_or_nan(cells["x"]), number_or_nan(cells["y"])
        for key, value in (("x", x), ("y", y)):
            if np.isnan(value):
                faults.add(f"no number in {key}", row.line, quoted(cells[key]))
        if "subject" in cells and not cells["subject"]:
            faults.add("the subject is missing", row.line)
        image.append(names.setdefault(name, len(names)))
        who.append(people.setdefault(cells.get("subject", ""), len(people)))
        at_x.append(x)
        at_y.append(y)
    faults.refuse_any()
    found = pd.DataFrame({
        "image": pd.Categorical.from_codes(np.array(image, np.int64), pd.Index(list(names))),
        "x": np.array(at_x),
        "y": np.array(at_y),
        "subject": pd.Categorical.from_codes(np.array(who, np.int64), pd.Index(list(people))),
    })  # fmt: skip
    if found.empty:
        raise RequestError(f"{table.name}: no row holds a place; x and y are needed in each")
    return found if "subject" in places else found[[*_KEYS]], n_missing


def _matched(fixations: Fixations, folder: Folder) -> Fixations:
    meant = renamed(fixations.table["image"], folder)
    names = [folder.listed_name(meant(name)) for name in fixations.table["image"]]
    return Fixations(
        fixations.table.assign(image=pd.Categorical(names)),
        (*fixations.said, *meant.said),
    )
