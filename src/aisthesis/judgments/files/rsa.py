"""Representational dissimilarity matrices of rsatoolbox, which is an optional extra."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from aisthesis.errors import RequestError, or_list
from aisthesis.judgments.files.matrix import Matrix

__all__ = ["from_rdms", "is_rdms", "read_apart", "read_rdms"]

#: A file that has not been read after so long is taken for damaged: the C library can turn in
#: circles on one that lies.
READ_S = 60.0
_LONGEST = 300
_NAMES = ("image", "images", "stimulus", "stimuli", "stim", "conds", "condition", "conditions")
_SUBJECTS = ("subject", "subjects", "session", "name")


def is_rdms(source: Any) -> bool:
    """Whether an object is rsatoolbox RDMs, told without importing rsatoolbox."""
    return hasattr(source, "get_matrices") and hasattr(source, "pattern_descriptors")


def read_rdms(path: Path, names: list[str] | None, descriptor: str | None) -> list[Matrix]:
    """Read RDMs that rsatoolbox saved as HDF5; pickles are never opened.

    Raises
    ------
    RequestError
        If h5py is not installed, or the file is no saved RDMs or does not end.
    """
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise RequestError(
            f"{path} is a pickle, and opening one runs whatever is in it; save the RDMs as HDF5 "
            "instead"
        )
    if find_spec("h5py") is None:
        raise RequestError(
            f"reading {path.name} needs h5py; install it with `pip install aisthesis[rsa]`"
        )
    try:
        with np.load(io.BytesIO(read_apart(path)), allow_pickle=False) as held:
            pairs, about = held["dissimilarities"], json.loads(str(held["about"]))
        matrices = np.stack([squareform(row, checks=False) for row in np.atleast_2d(pairs)])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RequestError(f"{path} does not hold RDMs of rsatoolbox ({error})") from None
    return _matrices(
        matrices, about["pattern_descriptors"], about["rdm_descriptors"], names, descriptor,
        path.name,
    )  # fmt: skip


def read_apart(
    path: Path, reader: str = "rdm_reader.py", holds: str = "RDMs of rsatoolbox"
) -> bytes:
    """What a reader of HDF5 says of a file, in a process that may end or never end on it.

    Parameters
    ----------
    path : Path
        The file.
    reader : str
        A script beside this module.
    holds : str
        What the file should hold, for messages.

    Raises
    ------
    RequestError
        If it says nothing within `READ_S` seconds, or ends without an answer.
    """
    command = [sys.executable, "-P", str(Path(__file__).with_name(reader))]
    try:
        done = subprocess.run(
            [*command, str(path.absolute())],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=READ_S, check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RequestError(
            f"{path} is damaged: reading it had not ended after {READ_S:.0f} s; save it again"
        ) from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace") if done.returncode == 3 else "the reader broke"
    raise RequestError(f"{path} does not hold {holds} ({said[:_LONGEST].strip()})")


def from_rdms(
    rdms: Any, names: list[str] | None, descriptor: str | None, source: str
) -> list[Matrix]:
    """Take the matrices out of an RDMs object, one a subject.

    Parameters
    ----------
    rdms : rsatoolbox.rdm.RDMs
    names
        Images in the order of the patterns; default what a pattern descriptor says.
    descriptor
        The pattern descriptor with the names; default `image`, `stimulus`, `conds` and the like.

    Raises
    ------
    RequestError
        If no descriptor holds the images' names.
    """
    held = np.asarray(rdms.get_matrices())
    if np.iscomplexobj(rdms.dissimilarities) or np.iscomplexobj(held):
        raise RequestError(f"{source}: expected real dissimilarities, got complex numbers")
    matrices = held.astype(np.float64)
    return _matrices(
        matrices, rdms.pattern_descriptors, rdms.rdm_descriptors, names, descriptor, source
    )


def _matrices(
    matrices: NDArray[np.float64],
    patterns: Mapping[str, Any],
    subjects_by: Mapping[str, Any],
    names: list[str] | None,
    descriptor: str | None,
    source: str,
) -> list[Matrix]:
    """Name rows and subjects of matrices (K, N, N) by what the file says of both."""
    if names is None:
        names = _names(patterns, descriptor, source)
    if len(names) != matrices.shape[1] or len(set(names)) != len(names):
        raise RequestError(
            f"{source}: expected {matrices.shape[1]} different names of images, got "
            f"{len(set(names))}"
        )
    if np.isinf(matrices).any():
        raise RequestError(f"{source}: expected finite values, or NaN for a missing pair")
    subjects = _subjects(subjects_by, len(matrices))
    return [
        Matrix(tuple(names), matrix, subject, source, "dissimilarity")
        for matrix, subject in zip(matrices, subjects, strict=True)
    ]


def _names(descriptors: Mapping[str, Any], asked: str | None, source: str) -> list[str]:
    keys = (asked,) if asked else _NAMES
    for key in keys:
        if key in descriptors:
            return [str(value) for value in descriptors[key]]
    raise RequestError(
        f"{source}: no pattern descriptor holds the images' names (there is "
        f"{or_list(sorted(descriptors)) or 'none'}); name one with `variable`, or give `image_list`"
    )


def _subjects(descriptors: Mapping[str, Any], n: int) -> list[str]:
    for key in _SUBJECTS:
        values = [str(value) for value in descriptors.get(key, ())]
        if len(values) == n == len(set(values)):
            return values
    return [f"rdm-{k + 1:02d}" for k in range(n)]
