"""What arrays in a study's folder say of their size, before anything of them is read.

A few bytes can name terabytes: a zip that is one long zero, a zarr array without chunks.
"""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["too_large"]

_GIGABYTE = 1 << 30
#: Far above what a study's arrays take up for each byte on the disk, and in all beside that.
_TIMES = 100
_BESIDE = {".npz": _GIGABYTE, ".json": 8 * _GIGABYTE}
_LONGEST_HEADER = 1 << 20
_UNKNOWN_ITEM = 16
_MOST_SAID = 1 << 80


def too_large(path: Path) -> str:
    """Say of an `.npz`, or of a zarr array's `zarr.json`, that it names far more than it holds.

    Empty where it does not, for any other file, and where it is damaged: that is seen by its
    digest or by whoever reads it.
    """
    try:
        if path.suffix == ".npz":
            held, named = path.stat().st_size, _unpacked(path)
        elif path.name == "zarr.json":
            named = _of_zarr(path)
            # Most name so little that the files need not be weighed.
            held = _files_of(path) if named > _BESIDE[path.suffix] else 0
        else:
            return ""
    except (OSError, ValueError, TypeError, LookupError, AttributeError, zipfile.BadZipFile):
        return ""
    except (RecursionError, NotImplementedError, OverflowError):
        return ""
    if named <= _BESIDE[path.suffix] + _TIMES * held:
        return ""
    return (
        f"{path} names arrays of {named / _GIGABYTE:,.0f} GB and holds {held / 1e6:,.1f} MB, which "
        "no study does; remove it, or the folder if it is not yours"
    )


def _unpacked(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


def _files_of(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.parent.rglob("*"))


def _of_zarr(path: Path) -> int:
    if path.stat().st_size > _LONGEST_HEADER:
        raise ValueError("no header of an array is so long")
    about: dict[str, Any] = json.loads(path.read_bytes())
    if about.get("node_type") != "array":
        return 0
    try:
        item = np.dtype(about["data_type"]).itemsize or _UNKNOWN_ITEM
    except TypeError:  # text, and what NumPy has no name for
        item = _UNKNOWN_ITEM
    chunk = about["chunk_grid"]["configuration"]["chunk_shape"]
    return min(item * max(math.prod(about["shape"]), math.prod(chunk)), _MOST_SAID)
