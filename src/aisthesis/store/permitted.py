"""What the settings in a study's folder, which may be somebody else's, may ask of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aisthesis.errors import RequestError

if TYPE_CHECKING:
    from aisthesis.config import DaskConfig

__all__ = ["folder_of", "require_permitted"]

#: Options of a cluster on this machine that cannot name code, a file or an address.
_PERMITTED = ("memory_limit",)


def folder_of(file: Path) -> Path | None:
    """The study's folder that a study file lies in, as `run` writes it there; None for others."""
    beside = file.absolute().parent
    studys = (beside / "provenance.json").exists() or (beside / "ledger").exists()
    return beside if file.name == "study.toml" and studys else None


def require_permitted(dask: DaskConfig, folder: Path) -> None:
    """Refuse a cluster that could run somebody's code, as its options come out of a folder.

    A scheduler is believed whatever it sends, a batch system's options become lines of a script,
    and options such as `preload` or `worker_class` name code.

    Raises
    ------
    RequestError
        With what is asked for, and how to ask for it oneself.
    """
    asked = []
    if dask.scheduler is not None:
        asked.append("a scheduler")
    elif dask.cluster != "local":
        asked.append(f'cluster = "{dask.cluster}"')
    asked += [
        f"the option `{name}`"
        for name, value in dask.options.items()
        if name not in _PERMITTED or not isinstance(value, int | float | str)
    ]
    if asked:
        raise RequestError(
            f"{folder} asks Dask for {', '.join(asked)}, which may run code and so is not taken "
            "from a study's folder; if the study is yours, run its own study file (`aisthesis run "
            "STUDY.toml`)"
        )
