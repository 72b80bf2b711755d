"""Tables out of workbooks, SPSS, Parquet and array files, as the rows of text that all are read as.

Numbers become the shortest text that gives the same number again, so nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.errors import RequestError
from aisthesis.judgments.files.array_files import load_arrays, texts_of
from aisthesis.judgments.files.json_files import json_trials
from aisthesis.judgments.files.own_reader import read_own
from aisthesis.judgments.files.table import Row, Table, read_table

__all__ = ["ENDINGS", "read_any_table", "table_of"]

_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
_ARRAYS = (".mat", ".npy", ".npz")
_JSON = (".json", ".jsonl")
_TEXT = (".csv", ".tsv", ".txt", ".dat")
#: Files in a folder that are taken for tables.
ENDINGS = (*_TEXT, *_WORKBOOKS, ".sav", ".zsav", ".parquet", *_JSON, *_ARRAYS)


def read_any_table(
    path: Path,
    wanted: tuple[str, ...],
    *,
    names: Sequence[str] = (),
    variable: str = "",
    images: Sequence[str] | None = None,
    reader: Any = "",
) -> Table:
    """Read a table, whatever program wrote it; by the file's ending, text where none is known.

    Parameters
    ----------
    path
        Text (see `read_table`), a workbook's first sheet (.xlsx, .xls, .ods), SPSS (.sav), Parquet,
        JSON (a list of trials, as jsPsych exports it),
        or arrays (.mat, .npy, .npz): a vector with a value an image, or a matrix.
    wanted
        Column names that may be in the header.
    names
        Names of the columns by position, where the file has none.
    variable
        Array to take where a file holds several.
    images
        Images in the order of an array's rows, where the file does not hold them itself.
    reader
        Of the user's own, by its name or itself: it is asked whatever the file's ending.

    Raises
    ------
    RequestError
        If the file cannot be read as what its ending says, a library for it is not installed, or it
        holds no rows.
    """
    if reader:
        return table_of(path, read_own(reader, path), names, named=True)
    suffix = path.suffix.lower()
    readers: dict[str, Callable[[], pd.DataFrame]] = {
        **dict.fromkeys(_WORKBOOKS, lambda: _workbook(path, bool(names))),
        **dict.fromkeys((".sav", ".zsav"), lambda: _spss(path)),
        **dict.fromkeys(_JSON, lambda: json_trials(path)),
        ".parquet": lambda: pd.read_parquet(path),
        **dict.fromkeys(_ARRAYS, lambda: _arrays(path, variable, images)),
    }
    if suffix not in readers or not path.is_file():
        return read_table(path, wanted, names)
    return table_of(path, _told(path, readers[suffix]), names)


def _told(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    try:
        return read()
    except RequestError:
        raise
    except ImportError:
        raise RequestError(
            f"{path.name}: reading {path.suffix} files needs another library; "
            "`pip install aisthesis[tables]`, or save the table as CSV (UTF-8)"
        ) from None
    except Exception as error:  # noqa: BLE001  libraries in C and Rust raise kinds of their own
        words = " ".join(str(error).split()) or type(error).__name__
        raise RequestError(
            f"{path.name} cannot be read as a {path.suffix} file ({words}); is it whole? A table "
            "saved as CSV (UTF-8) can be read too"
        ) from None


def _workbook(path: Path, headless: bool) -> pd.DataFrame:
    return pd.read_excel(
        path,
        engine="calamine",
        header=None if headless else 0,
        keep_default_na=False,  # what stands for missing is decided in one place
    )


def _spss(path: Path) -> pd.DataFrame:
    import pyreadstat

    return pyreadstat.read_sav(str(path))[0]


def _arrays(path: Path, variable: str, images: Sequence[str] | None) -> pd.DataFrame:
    arrays = load_arrays(path)
    key = _vector(path, arrays, variable)
    values = np.asarray(arrays[key], dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    own = next(
        (found for name, held in arrays.items() if name != key and (found := texts_of(held))), None
    )
    named = list(images) if images is not None else own
    if named is None:
        raise RequestError(
            f"{path.name} holds no names of images; give `image_list`, a file with one name a line "
            "in the order of the values"
        )
    if len(named) not in values.shape:
        raise RequestError(
            f"{path.name}: expected {len(named)} values, one for each image of the list, got "
            f"{' x '.join(map(str, values.shape))}"
        )
    # (image, rater): images run along the axis that is as long as their list.
    values = values if values.shape[0] == len(named) else values.T
    if values.shape[1] == 1:
        return pd.DataFrame({"image": named, variable or key or "rating": values[:, 0]})
    raters = [f"rater{number + 1}" for number in range(values.shape[1])]
    return pd.DataFrame({"image": named, **dict(zip(raters, values.T, strict=True))})


def _vector(path: Path, arrays: dict[str, Any], variable: str) -> str:
    numeric = {k: v for k, v in arrays.items() if v.dtype.kind in "fiub" and 1 <= v.ndim <= 2}
    if variable in numeric or "" in numeric:
        return variable if variable in numeric else ""
    held = {k: v for k, v in numeric.items() if v.size > 1}
    if len(held) != 1:
        shapes = ", ".join(f"{k} {v.shape}" for k, v in arrays.items()) or "nothing"
        raise RequestError(
            f"{path.name}: expected one array of ratings, got {shapes}; name it with "
            '[columns] rating = "..."'
        )
    return next(iter(held))


def table_of(
    path: Path, frame: pd.DataFrame, names: Sequence[str] = (), *, named: bool = False
) -> Table:
    """Give a file's table as rows of text; `named` says that its columns need not be looked for.

    Raises
    ------
    RequestError
        If it holds no rows, or fewer columns than `names`.
    """
    if frame.empty:
        raise RequestError(f"{path.name} holds no rows; one row an image is needed.")
    columns = [str(column).strip() for column in frame.columns]
    if names:
        if len(names) > len(columns):
            raise RequestError(
                f"{path.name}: `columns` names {len(names)} columns by position, but it has "
                f"{len(columns)}; name as many, or fewer"
            )
        columns[: len(names)] = names
    cells = [[_text(value) for value in frame.iloc[:, n]] for n in range(len(columns))]
    first = 1 if names else 2  # as a spreadsheet numbers its rows
    rows = tuple(
        Row(line, row) for line, row in enumerate(zip(*cells, strict=True), start=first) if any(row)
    )
    return Table(path.name, tuple(columns), rows, "", named or bool(names))


def _text(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating):
        number = float(value)
        if np.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return str(value).strip()
