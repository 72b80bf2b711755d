"""The study file of an alignment study: images, human similarity judgments, networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from aisthesis.config.columns import SimilarityColumns
from aisthesis.config.common import CommonConfig

__all__ = ["AlignmentConfig", "alignment_config"]


class AlignmentConfig(CommonConfig):
    """An alignment study, with every default filled in; paths are absolute.

    The fields are the keys of the study file; docs/alignment.md describes each.
    """

    path_keys = (*CommonConfig.path_keys, "judgments", "image_list")

    judgments: tuple[Path, ...]
    kind: Literal["auto", "similarity", "dissimilarity"] = "auto"
    image_list: Path | None = None
    variable: str | None = None
    columns: SimilarityColumns = SimilarityColumns()
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


alignment_config = AlignmentConfig.of
