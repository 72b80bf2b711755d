"""Tables that the program has written, read back with the types that their columns have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.memory import give_memory_back

__all__ = ["TEXT_COLUMNS", "plain_names", "read_csv", "read_csv_parts", "read_long_csv"]

#: Columns that hold names or words. Whatever stands there is text: `01` and `1e5` are no numbers,
#: `NA`, `None` and `nan` are not missing, `True` is no truth value. All others hold what they look
#: like, numbers for the most part.
TEXT_COLUMNS = frozenset(
    {
        *("image", "subject", "rater", "reason", "seed", "head", "split", "map", "metric"),
        *("backbone", "backbone_a", "backbone_b", "ensemble", "members", "left", "right"),
        *("method", "method_a", "method_b", "measure", "baseline", "side", "score", "layers"),
        *("component", "removal", "retained_by"),
    }
)
#: Rows of a part of a long table.
_ROWS_AT_ONCE = 1 << 16
_TYPES = dict.fromkeys(TEXT_COLUMNS, str)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that `write_csv` wrote; an empty cell is undefined, and nothing else is.

    Every table of a study is read here, so that no name is ever taken for a number.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it is no table.
    """
    return pd.read_csv(path, dtype=_TYPES, na_values=[""], keep_default_na=False)


def read_csv_parts(path: Path) -> Iterator[pd.DataFrame]:
    """Read a long table some rows at a time, as `read_csv` reads it; raises what that raises."""
    with pd.read_csv(
        path, dtype=_TYPES, na_values=[""], keep_default_na=False, chunksize=_ROWS_AT_ONCE
    ) as parts:
        yield from parts


def read_long_csv(
    path: Path, kept: Callable[[pd.DataFrame], pd.DataFrame] = lambda part: part
) -> pd.DataFrame:
    """Read a table with rows for every image in little memory: names are categories.

    Parameters
    ----------
    path : Path
        A table as `read_csv` reads it.
    kept : callable
        Gives the rows of a part that are wanted.

    Returns
    -------
    pandas.DataFrame
        What `read_csv` gives, but columns of text have an ordered list of their values once and a
        few bytes a row. Groups of them are asked for with ``observed=True``.

    Raises
    ------
    OSError, ValueError
        As `read_csv`.
    """
    texts: dict[str, _Names] = {}
    columns: dict[str, list[Any]] = {}
    for part in map(kept, read_csv_parts(path)):
        for name in map(str, part):
            held: Any = part[name]
            if name in TEXT_COLUMNS:
                held = texts.setdefault(name, _Names()).codes(held)
            columns.setdefault(name, []).append(held)
    table = pd.DataFrame({
        # Parts are let go of column by column: the table is not held twice.
        name: texts[name].column(columns.pop(name))
        if name in texts
        else pd.concat(columns.pop(name), ignore_index=True)
        for name in list(columns)
    })  # fmt: skip
    give_memory_back()  # what the parts took is many times what is kept of them
    return table


def plain_names(names: Any) -> pd.Index:
    """Names as an index of texts, whether or not they came as categories, which pandas mixes up.

    Parameters
    ----------
    names : Series, Index or array
        As `read_csv` or `read_long_csv` gives them; an index or a series gives its name on.
    """
    return pd.Index(np.asarray(names, dtype=object), name=getattr(names, "name", None))


class _Names:
    """Texts of a column that is read in parts, each held once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def codes(self, column: pd.Series) -> NDArray[np.signedinteger]:
        """Numbers for the texts of a part, in the order in which they were met; -1: undefined."""
        own, names = pd.factorize(column)
        places = [self._places.setdefault(name, len(self._places)) for name in names]
        return np.array([*places, -1], dtype=np.min_scalar_type(-len(self._places) - 1))[own]

    def column(self, codes: list[NDArray[np.signedinteger]]) -> pd.Categorical[str]:
        """All parts together, with the texts in their order."""
        names = sorted(self._places)
        order = np.full(len(names) + 1, -1, dtype=np.int32)
        order[[self._places[name] for name in names]] = np.arange(len(names))
        return pd.Categorical.from_codes(order[np.concatenate(codes)], pd.Index(names, dtype=str))
