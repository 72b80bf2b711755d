"""The study file of a study of ratings: what may be asked, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from aisthesis.config.columns import Columns
from aisthesis.config.common import CommonConfig
from aisthesis.config.section import Section
from aisthesis.names.explainers import BASE, checked_names
from aisthesis.names.labels import refuse_properties

__all__ = [
    "METRICS_OF_THE_DESCRIPTION",
    "ExplainingConfig",
    "FaithfulnessConfig",
    "FitConfig",
    "HumanMapsConfig",
    "StudyConfig",
    "read_study_file",
    "study_config",
]

METRICS_OF_THE_DESCRIPTION = ("cosine", "ssim", "emd", "mse")


class FitConfig(Section):
    """How the heads are trained, and which.

    `head` makes one of the user's own: a function of the embedding's length, or its name,
    `package.module:attribute`; else it is the MLP of `hidden` units.
    """

    hidden: int = Field(16, ge=1, le=65536)
    dropout: float = Field(0.2, ge=0, lt=1)
    learning_rate: float = Field(1e-4, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0)
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(500, ge=1)
    patience: int = Field(30, ge=1)
    head: str | Callable[..., Any] = ""


class ExplainingConfig(Section):
    """Options of the explainers beside AIS and evidence."""

    cells: int = Field(56, ge=2, le=1024)
    integration_steps: int = Field(32, ge=2, le=10_000)
    lime_samples: int = Field(200, ge=10, le=1_000_000)
    lime_superpixels: int = Field(50, ge=2, le=10_000)
    occlusion_px: int = Field(32, ge=1, le=4096)
    multiscale_px: tuple[int, ...] = Field((3, 17, 65), min_length=1)
    stride_px: float | None = Field(None, gt=0, le=4096)


class FaithfulnessConfig(Section):
    """Whether maps are true to the network: how many images are asked, and how."""

    images: int | None = Field(None, ge=0, le=100_000)
    steps: int = Field(10, ge=2, le=1000)
    cell_px: int = Field(16, ge=1, le=512)
    squares: int = Field(50, ge=0, le=100_000)
    baselines: tuple[Literal["blur", "mean", "noisy_linear"], ...] = (
        "blur",
        "mean",
        "noisy_linear",
    )
    cascade_images: int = Field(4, ge=0, le=100_000)


class HumanMapsConfig(Section):
    """Where people look or click: a list of fixations or a folder of maps; a path alone will do."""

    path: Path
    kind: Literal["auto", "fixations", "clicks", "densities", "masks"] = "auto"
    image: str = "image"
    x: str = "x"
    y: str = "y"
    subject: str = "subject"
    blur_px: float | None = Field(None, gt=0, le=10_000)

    @model_validator(mode="before")
    @classmethod
    def _a_path_alone(cls, values: Any) -> Any:
        return {"path": values} if isinstance(values, str | Path) else values


class StudyConfig(CommonConfig):
    """A study, with every default filled in; paths are absolute.

    The fields are the keys of the study file; README and docs/study.md describe each.
    """

    path_keys = (*CommonConfig.path_keys, "ratings", "masks", "human_maps", "image_list", "split")

    ratings: Path | tuple[Path, ...] | dict[str, Path | tuple[Path, ...]]
    columns: Columns = Columns()
    image_list: Path | None = None
    split: Path | None = None
    seeds: int = Field(1, ge=1, le=1000)
    test: float = Field(0.2, gt=0, lt=1)
    validation: float = Field(0.2, gt=0, lt=1)
    explain: Literal["test", "all"] = "test"
    explainers: tuple[str, ...] = BASE
    metrics: tuple[str, ...] = METRICS_OF_THE_DESCRIPTION
    unrated: Literal["error", "ignore", "explain"] = "error"
    masks: Path | None = None
    human_maps: HumanMapsConfig | None = None
    randomised: int = Field(3, ge=0, le=1000)
    bootstrap: int = Field(1000, ge=0, le=1_000_000)
    inference_images: int = Field(500, ge=2, le=100_000)
    fit: FitConfig = FitConfig()
    explaining: ExplainingConfig = ExplainingConfig()
    faithfulness: FaithfulnessConfig = FaithfulnessConfig()
    ensemble: bool = False
    keep_activations: Literal["auto", "always", "never"] = "auto"

    @property
    def ratings_files(self) -> tuple[Path, ...]:
        """The table, or tables, of ratings, of all properties."""
        held = self.ratings.values() if isinstance(self.ratings, dict) else [self.ratings]
        files = [file for one in held for file in (one if isinstance(one, tuple) else (one,))]
        return tuple(dict.fromkeys(files))

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the properties that the images were rated for; empty where it is one."""
        if isinstance(self.ratings, dict):
            return tuple(self.ratings)
        return self.columns.rating if isinstance(self.columns.rating, tuple) else ()

    @field_validator("explainers")
    @classmethod
    def _known_explainers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return checked_names(names)

    @model_validator(mode="after")
    def _properties_can_be_told_apart(self) -> StudyConfig:
        if isinstance(self.ratings, dict):
            if len(self.ratings) < 2:
                raise ValueError(
                    "`ratings`: expected a table for each of two properties or more; where there "
                    'is one, write ratings = "FILE"'
                )
            if isinstance(self.columns.rating, tuple):
                raise ValueError(
                    "expected several properties in one of two ways, got both: a table for each "
                    "(`[ratings]`), or several columns of one (`[columns] rating = [...]`)"
                )
        refuse_properties(self.properties)
        return self

    @model_validator(mode="after")
    def _no_bar(self) -> StudyConfig:
        barred = [backbone.label for backbone in self.backbones if "|" in backbone.label]
        if barred:
            raise ValueError(
                f"the label {barred[0]!r} holds `|`, which separates labels in clusters.csv; "
                "leave it out"
            )
        return self


study_config = StudyConfig.of
read_study_file = StudyConfig.read
