"""Representational dissimilarity matrices of rsatoolbox, which is an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aisthesis.errors import RequestError, or_list
from aisthesis.judgments.similarity_matrix import Matrix

__all__ = ["from_rdms", "is_rdms", "read_rdms"]

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
        If rsatoolbox is not installed, or the file is no saved RDMs.
    """
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise RequestError(
            f"{path} is a pickle, and opening one runs whatever is in it; save the RDMs as HDF5 "
            "instead"
        )
    try:
        from rsatoolbox.rdm import load_rdm
    except ImportError:
        raise RequestError(
            f"reading {path.name} needs rsatoolbox; install it with `pip install aisthesis[rsa]`"
        ) from None
    try:
        rdms = load_rdm(str(path), file_type="hdf5")
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise RequestError(f"{path} does not hold RDMs of rsatoolbox ({error})") from None
    return from_rdms(rdms, names, descriptor, path.name)


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
    if np.isinf(matrices).any():
        raise RequestError(f"{source}: expected finite values, or NaN for a missing pair")
    if names is None:
        names = _names(rdms.pattern_descriptors, descriptor, source)
    if len(names) != matrices.shape[1] or len(set(names)) != len(names):
        raise RequestError(
            f"{source}: expected {matrices.shape[1]} different names of images, got "
            f"{len(set(names))}"
        )
    subjects = _subjects(rdms.rdm_descriptors, len(matrices))
    return [
        Matrix(tuple(names), matrix, subject, source, "dissimilarity")
        for matrix, subject in zip(matrices, subjects, strict=True)
    ]


def _names(descriptors: dict[str, Any], asked: str | None, source: str) -> list[str]:
    keys = (asked,) if asked else _NAMES
    for key in keys:
        if key in descriptors:
            return [str(value) for value in descriptors[key]]
    raise RequestError(
        f"{source}: no pattern descriptor holds the images' names (there is "
        f"{or_list(sorted(descriptors)) or 'none'}); name one with `variable`, or give `image_list`"
    )


def _subjects(descriptors: dict[str, Any], n: int) -> list[str]:
    for key in _SUBJECTS:
        values = [str(value) for value in descriptors.get(key, ())]
        if len(values) == n == len(set(values)):
            return values
    return [f"rdm-{k + 1:02d}" for k in range(n)]
