"""Which images a study takes and which of them are held out, as a file says it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aisthesis.errors import RequestError
from aisthesis.judgments.files.folder import Folder
from aisthesis.judgments.files.names import renamed
from aisthesis.judgments.files.table_files import read_any_table

__all__ = ["ListedSplit", "read_split"]

_DEVELOPMENT, _TEST = ("train", "training", "validation", "val"), ("test", "testing")
#: Whether an image is held out, by what its file says.
_HELD_OUT = dict.fromkeys(_DEVELOPMENT, False) | dict.fromkeys(_TEST, True)


@dataclass(frozen=True)
class ListedSplit:
    """Images in the order of their file, and which of them are test images.

    Attributes
    ----------
    names
        Of all images, as their folder lists them.
    test
        Of the test images, in the same order.
    """

    names: tuple[str, ...]
    test: tuple[str, ...]


def read_split(path: Path, folder: Folder) -> ListedSplit:
    """Read a table with the columns `image` and `split`.

    `split` is `test`, or `train` or `validation`: which of the latter stop a fit is drawn for
    every seed. Images are matched with the folder's files as those of ratings are.

    Raises
    ------
    RequestError
        If a column is missing, a value is none of these, an image is there twice or is not in the
        folder, or there is no test image.
    """
    table = read_any_table(path, ("image", "split"))
    held_out = [_HELD_OUT.get(value.lower()) for value in table.cells("split")]
    images = table.cells("image")
    if None in held_out:
        place = held_out.index(None)
        raise RequestError(
            f"{table.name}, line {table.rows[place].line}: expected the split `test`, `train` or "
            f"`validation`, got {table.cells('split')[place].lower()!r}"
        )
    names = list(map(renamed(images, folder), images))
    for row, name in zip(table.rows, names, strict=True):
        why = folder.why_not(name)
        if why is not None:
            raise RequestError(f"{table.name}, line {row.line}: {name} {why}")
    listed = [folder.listed_name(name) for name in names]
    if len(set(listed)) < len(listed):
        twice = next(name for name, n in Counter(listed).items() if n > 1)
        raise RequestError(f"{table.name}: {twice} is there twice; give each image one row")
    test = tuple(name for name, held in zip(listed, held_out, strict=True) if held)
    if not test:
        raise RequestError(f"{table.name}: expected images with the split `test`, found none")
    return ListedSplit(tuple(listed), test)
