"""Judgments out of files that a reader of the user's own reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from aisthesis.errors import RequestError, one_line
from aisthesis.parts import given_name, part

__all__ = ["read_own"]


def read_own(reader: Any, path: Path) -> pd.DataFrame:
    """Have a file read by a reader of the user's own.

    Parameters
    ----------
    reader : str or callable
        `package.module:attribute`, the name of an entry point, or the function itself: it takes
        the file's path and gives a table.
    path : Path

    Returns
    -------
    DataFrame
        With the columns of any other table of judgments.

    Raises
    ------
    RequestError
        If there is no such reader, it fails, or it gives no table.
    """
    name = reader if isinstance(reader, str) else given_name("reader", reader)
    read = part("reader", name)
    if not callable(read):
        raise RequestError(
            f"expected {name} as a reader of judgments, a function of a path (see "
            f"docs/howto-reader.md), got {type(read).__name__}"
        )
    try:
        found = read(path)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(
            f"the reader {name} cannot read {path}: {type(error).__name__}: {one_line(str(error))}"
        ) from error
    if not isinstance(found, pd.DataFrame):
        raise RequestError(
            f"expected the reader {name} to give a pandas.DataFrame, got {type(found).__name__}"
        )
    return found
