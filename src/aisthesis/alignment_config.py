"""The study file of an alignment study: images, human similarity judgments, networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from aisthesis.config import CommonConfig, TableColumns, absolute_paths, checked, read_toml

__all__ = ["AlignmentConfig", "PairColumns", "alignment_config", "read_alignment_file"]


class PairColumns(TableColumns):
    """Names of the columns in a long table of judgments, and how repeated pairs are taken."""

    subject: str = "subject"
    similarity: str = "similarity"
    dissimilarity: str = "dissimilarity"
    repeated: Literal["auto", "mean"] = "auto"
    reference: str = "reference"
    image_c: str = "image_c"
    odd: str = "odd"
    votes_c: str = "votes_c"


class AlignmentConfig(CommonConfig):
    """An alignment study, with every default filled in; paths are absolute.

    The fields are the keys of the study file; docs/alignment.md describes each.
    """

    judgments: tuple[Path, ...]
    kind: Literal["auto", "similarity", "dissimilarity"] = "auto"
    image_list: Path | None = None
    variable: str | None = None
    columns: PairColumns = PairColumns()
    measure: Literal["pearson", "spearman", "cosine", "whitened_cosine"] = "pearson"
    removal: Literal["ablate", "delete"] = "ablate"
    retained: Literal["auto", "columns", "ablate"] = "auto"
    folds: int = Field(4, ge=2, le=100)
    repeats: int = Field(4, ge=1, le=1000)
    sizes: int = Field(512, ge=2, le=100_000)

    @model_validator(mode="before")
    @classmethod
    def _one_file_or_several(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("judgments"), str | Path):
            values = {**values, "judgments": (values["judgments"],)}
        return values

    @model_validator(mode="after")
    def _judged(self) -> AlignmentConfig:
        if not self.judgments:
            raise ValueError("`judgments` names no file")
        return self


def alignment_config(values: Mapping[str, Any], base: Path, source: str) -> AlignmentConfig:
    """Check the values of an alignment study and make its paths absolute.

    Parameters
    ----------
    values : mapping
        Keys of the study file.
    base : Path
        What relative paths are relative to.
    source : str
        Where the values come from, for messages.

    Raises
    ------
    RequestError
        Unknown keys (with the nearest right one), wrong types, values out of range: all at once.
    """
    config = checked(AlignmentConfig, values, source)
    keys = ("images", "out", "image_list", "weights_dir", "judgments")
    return config.model_copy(update=absolute_paths(config, keys, base, source))


def read_alignment_file(path: Path) -> AlignmentConfig:
    """Read and check a study file; its relative paths are relative to the file's folder.

    Raises
    ------
    RequestError
        If the file is missing, is not TOML, or asks for what cannot be.
    """
    return alignment_config(read_toml(path), path.absolute().parent, str(path))
