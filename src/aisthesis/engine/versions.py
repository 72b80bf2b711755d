"""What a study records of the machine and libraries that it ran with."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import torch

__all__ = ["library_versions", "without_nan"]

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "pandas", "scikit-learn", "pillow")


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed, and the number of threads."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions | {"threads": str(torch.get_num_threads())}


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN, which JSON does not have: an undefined value is null."""
    return {k: None if isinstance(v, float) and v != v else v for k, v in values.items()}
