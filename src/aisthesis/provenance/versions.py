"""What a study records of the machine and libraries that it ran with."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from aisthesis import __version__

__all__ = ["library_version", "made_with", "without_nan"]

NOT_INSTALLED = "not installed"

_LIBRARIES = (
    "torch", "torchvision", "timm", "captum", "numpy", "scipy", "pandas", "scikit-learn",
    "scikit-image", "pillow",
)  # fmt: skip


def made_with() -> dict[str, str]:
    """Versions of aisthesis, Python and the libraries that are installed, and the threads used."""
    import torch  # takes seconds, and a folder's settings are read without

    versions = {"aisthesis": __version__, "python": platform.python_version()}
    found = {name: library_version(name) for name in _LIBRARIES}
    versions |= {name: version for name, version in found.items() if version != NOT_INSTALLED}
    return versions | {"threads": str(torch.get_num_threads())}


@cache
def library_version(distribution: str) -> str:
    """Version of an installed distribution, or `not installed`; looked up once a process."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN, which JSON does not have: an undefined value is null."""
    return {k: None if isinstance(v, float) and v != v else v for k, v in values.items()}
