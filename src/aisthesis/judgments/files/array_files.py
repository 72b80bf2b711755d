"""Matrices of pairwise judgments out of NumPy and MATLAB files."""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.judgments.files.matrix import Matrix
from aisthesis.judgments.files.rsa import read_apart

__all__ = ["load_arrays", "read_arrays", "texts_of"]

_NAMES = ("images", "image", "names", "stimuli", "conditions")
# All that NumPy's, SciPy's and Python's readers are known to raise on bytes that lie.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
#: Upper triangles, as vectors.
_MEADOWS = "rdmutv"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_arrays(path: Path, names: list[str] | None, variable: str | None) -> list[Matrix]:
    """Read `.npy`, `.npz` or `.mat` with one matrix (N, N) or one a subject (K, N, N).

    Objects are never unpickled: a file that holds some is refused.

    Parameters
    ----------
    path
        The file.
    names
        Images in the order of the rows; None if the file holds them itself, in an array of text
        called `images`, `names`, `stimuli` or `conditions`; `subjects` may name the subjects.
    variable
        Which array, where the file holds several.

    Raises
    ------
    RequestError
        If the file cannot be read, or holds no such array, or the names do not fit.
    """
    arrays = load_arrays(path)
    if any(key.startswith(_MEADOWS) for key in arrays):
        return _read_meadows(path, arrays, names)
    own = _own_names(arrays)
    key, values = _chosen(path, arrays, variable)
    cube = values[None] if values.ndim == 2 else values
    names = own if names is None else names
    if names is None:
        raise RequestError(
            f"{path.name} holds no names of images; give `image_list`, a file with one name a "
            "line in the order of the rows"
        )
    if len(names) != cube.shape[1]:
        raise RequestError(
            f"{path.name}: expected {cube.shape[1]} names of images for matrices of "
            f"{cube.shape[1]} x {cube.shape[2]}, got {len(names)}"
        )
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise RequestError(f"{path.name}: {twice[0]} is in the list of images more than once")
    if np.isinf(cube).any():
        raise RequestError(f"{path.name}: expected finite values, or NaN for a missing pair")
    kind = _kind_of(key)
    subjects = texts_of(arrays.get("subjects"))
    if subjects is None or len(subjects) != len(cube):
        subjects = [
            path.stem if len(cube) == 1 else f"{path.stem}-{k + 1:02d}" for k in range(len(cube))
        ]
    return [
        Matrix(tuple(names), matrix.astype(np.float64), subject, path.name, kind)
        for matrix, subject in zip(cube, subjects, strict=True)
    ]


def _read_meadows(path: Path, arrays: dict[str, Any], names: list[str] | None) -> list[Matrix]:
    """Dissimilarities as Meadows exports them: the upper triangle of each participant, row by row.

    `rdmutv` with `stimuli` for one participant; `rdmutv_NAME`, with `stimuli` or `stimuli_NAME`,
    for several.
    """
    found = []
    for key, values in arrays.items():
        if not key.startswith(_MEADOWS):
            continue
        who = key.removeprefix(_MEADOWS).lstrip("_")
        listed = names or texts_of(arrays.get(f"stimuli_{who}", arrays.get("stimuli")))
        if listed is None:
            raise RequestError(
                f"{path.name} holds no names of stimuli; give `image_list`, a file with one name a "
                "line in the order of the rows"
            )
        flat = np.asarray(values, dtype=np.float64).ravel()
        n = len(listed)
        if len(flat) != n * (n - 1) // 2:
            raise RequestError(
                f"{path.name}: expected {n * (n - 1) // 2} values in {key} for the pairs of "
                f"{n} stimuli, got {len(flat)}"
            )
        matrix = np.zeros((n, n))
        matrix[np.triu_indices(n, 1)] = flat
        subject = who or path.stem
        found.append(Matrix(tuple(listed), matrix + matrix.T, subject, path.name, "dissimilarity"))
    return found


def _kind_of(key: str) -> Literal["similarity", "dissimilarity"] | None:
    lower = key.lower()
    if "dissim" in lower or "rdm" in lower or "dist" in lower:
        return "dissimilarity"
    return "similarity" if "sim" in lower else None


def load_arrays(path: Path) -> dict[str, Any]:
    """Every array of a `.npy` (under the name ""), `.npz` or `.mat` file.

    Raises
    ------
    RequestError
        If it cannot be read, or holds Python objects.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".mat":
            return _load_mat(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except _BROKEN as error:
        hint = "; it holds Python objects, which are not opened" if "pickle" in str(error) else ""
        raise RequestError(f"{path} cannot be read ({error}){hint}") from None


def _load_mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with path.open("rb") as file:
        head = file.read(520)
    if _HDF5 in head:
        return _load_hdf5(path)
    try:
        found = loadmat(path, simplify_cells=True)
    except (MatReadError, *_BROKEN) as error:
        raise RequestError(f"{path} cannot be read as a MATLAB file ({error})") from None
    return {k: np.asarray(v) for k, v in found.items() if not k.startswith("__")}


def _load_hdf5(path: Path) -> dict[str, Any]:
    """Every variable of a MATLAB 7.3 file that is numbers or text."""
    if find_spec("h5py") is None:
        raise RequestError(
            f"{path.name} is a MATLAB 7.3 file, and reading it needs h5py; install it with "
            "`pip install aisthesis[tables]`, or save the file with `save(..., '-v7')`"
        )
    answer = io.BytesIO(read_apart(path, "mat_reader.py", "what MATLAB saves"))
    with np.load(answer, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def _own_names(arrays: dict[str, Any]) -> list[str] | None:
    return next((found for name in _NAMES if (found := texts_of(arrays.get(name)))), None)


def texts_of(array: Any) -> list[str] | None:
    """The values of an array (N,) of text; None for any other."""
    if array is None or array.ndim != 1 or not all(isinstance(value, str) for value in array):
        return None
    return [str(value).strip() for value in array]


def _chosen(path: Path, arrays: dict[str, Any], variable: str | None) -> tuple[str, Any]:
    if variable is not None and "" not in arrays:
        if variable not in arrays:
            close = nearest(variable, arrays) or list(arrays)
            raise RequestError(
                f"{path.name} holds no array {variable!r}; did you mean {or_list(close)}?"
            )
        fitting = {variable: arrays[variable]}
    else:
        fitting = {k: v for k, v in arrays.items() if _square(v)}
    if len(fitting) > 1:
        raise RequestError(
            f"{path.name} holds several matrices ({', '.join(fitting)}); name one with `variable`"
        )
    if not fitting or not _square(next(iter(fitting.values()))):
        shapes = ", ".join(f"{k or 'array'} {v.shape}" for k, v in arrays.items())
        raise RequestError(
            f"{path.name}: expected a matrix (N, N), or one a subject (K, N, N), of numbers, got "
            f"{shapes}"
        )
    return next(iter(fitting.items()))


def _square(array: Any) -> bool:
    numeric = array.dtype.kind in "fiub"
    return numeric and array.ndim in (2, 3) and array.shape[-1] == array.shape[-2] > 1
