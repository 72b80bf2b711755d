"""The study file: what may be asked, checked before anything is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from aisthesis.errors import RequestError, nearest
from aisthesis.explainer_names import BASE, checked_names
from aisthesis.labels import refuse_labels, refuse_properties, slug

__all__ = [
    "AIS_BACKBONES",
    "METRICS_OF_THE_DESCRIPTION",
    "BackboneConfig",
    "Columns",
    "CommonConfig",
    "DaskConfig",
    "ExplainingConfig",
    "FaithfulnessConfig",
    "FitConfig",
    "HumanMapsConfig",
    "Section",
    "SimilarityColumns",
    "StudyConfig",
    "absolute_paths",
    "checked",
    "read_study_file",
    "read_toml",
    "slug",
    "study_config",
]

AIS_BACKBONES = ("vgg16", "vgg19", "resnet152", "densenet161", "efficientnet_b3", "barlow_twins")
_LONGEST_VALUE = 120
METRICS_OF_THE_DESCRIPTION = ("cosine", "ssim", "emd", "mse")


class Section(BaseModel):
    """Keys that belong together; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError(f"`{info.field_name}`: expected no truth value, but {value} was given")
        return value


_Config = TypeVar("_Config", bound=BaseModel)


class TableColumns(Section):
    """Names of columns that tables of ratings and of pairs both may have."""

    image_a: str = "image_a"
    image_b: str = "image_b"
    choice: str = "choice"
    votes_a: str = "votes_a"
    votes_b: str = "votes_b"
    names: tuple[str, ...] = ()
    reader: str | Callable[..., Any] = ""

    @model_validator(mode="before")
    @classmethod
    def _names_by_position(cls, values: Any) -> Any:
        return {"names": values} if isinstance(values, list | tuple) else values


class RatingColumns(TableColumns):
    """How the table of ratings is read: names of its columns, and its layout where it is said."""

    image: str = "image"
    rating: str = "rating"
    rater: str = "rater"
    layout: Literal[
        "auto", "means", "ratings", "anonymous", "wide", "transposed", "votes", "choices"
    ] = "auto"
    raters: Literal["anonymous"] | tuple[str, ...] = ()
    votes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    where: dict[str, str | bool | int | float | tuple[str | bool | int | float, ...]] = {}
    retests: Literal["auto", "mean"] = "auto"
    match: Literal["auto", "exact"] = "auto"
    winner: str = "winner"
    loser: str = "loser"


class Columns(RatingColumns):
    """The same, with a column of ratings for each of several properties."""

    rating: str | tuple[str, ...] = "rating"  # type: ignore[assignment]

    @field_validator("rating")
    @classmethod
    def _one_is_no_list(cls, rating: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(rating, tuple):
            return rating
        if not rating:
            raise ValueError("`rating`: expected the name of a column, or of several, got none")
        return rating[0] if len(rating) == 1 else rating


class SimilarityColumns(TableColumns):
    """Names of the columns of a long table, and whether a pair's several values are averaged.

    `repeated` is "mean" to average them always, also the two halves of a matrix; "auto" does so in
    long tables from three repeated pairs on. `reader` is one of the user's own: a function of a
    file's path that gives a long or square table, or its name, `package.module:attribute`.
    """

    subject: str = "subject"
    similarity: str = "similarity"
    dissimilarity: str = "dissimilarity"
    repeated: Literal["auto", "mean"] = "auto"
    reference: str = "reference"
    image_c: str = "image_c"
    odd: str = "odd"
    votes_c: str = "votes_c"


class FitConfig(Section):
    """How the heads are trained."""

    hidden: int = Field(16, ge=1, le=65536)
    dropout: float = Field(0.2, ge=0, lt=1)
    learning_rate: float = Field(1e-4, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0)
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(500, ge=1)
    patience: int = Field(30, ge=1)


class PlacesConfig(Section):
    """How places of a layer are removed: how many together, and what stands in for them."""

    window: Literal[1, 3, 5, "auto"] = "auto"
    replace: Literal["zero", "mean"] = "zero"


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


class DaskConfig(Section):
    """Where `engine = "dask"` finds its workers.

    A scheduler's address, or a cluster to be started: on this machine, or by a batch system, whose
    options (`queue`, `cores`, `memory`, `walltime`, ...) are dask-jobqueue's.
    """

    scheduler: str | None = None
    cluster: Literal["local", "slurm", "pbs", "lsf"] = "local"
    options: dict[str, Any] = {}


class BackboneConfig(Section):
    """One backbone of a study."""

    name: str
    label: str = ""
    layer: str | None = None
    weights: str = "default"
    input_px: int | None = Field(None, ge=32, le=4096)
    view: Literal["crop", "squash", "pad"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _label_is_the_name(cls, values: Any) -> Any:
        if isinstance(values, str):
            values = {"name": values}
        if isinstance(values, Mapping) and not values.get("label"):
            values = {**values, "label": values.get("name", "")}
        return values


class CommonConfig(Section):
    """What studies of every kind say, with every default filled in; paths are absolute."""

    #: Keys that hold paths, beside those of weights.
    path_keys: ClassVar[tuple[str, ...]] = ("images", "out", "weights_dir")

    images: Path
    out: Path
    title: str = ""
    backbones: tuple[BackboneConfig, ...] = Field(default=(), validate_default=True)
    places: PlacesConfig = PlacesConfig()
    seed: int = Field(0, ge=0, lt=2**31)
    on_error: Literal["stop", "skip"] = "stop"
    device: str = "auto"
    batch_size: int = Field(8, ge=1, le=4096)
    weights_dir: Path | None = None
    columns: TableColumns = TableColumns()
    engine: Literal["serial", "processes", "dask"] = "serial"
    workers: int | None = Field(None, ge=1, le=100_000)
    threads: int = Field(1, ge=1, le=1024)
    dask: DaskConfig = DaskConfig()

    @model_validator(mode="before")
    @classmethod
    def _six_backbones_by_default(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and not values.get("backbones"):
            values = {**values, "backbones": AIS_BACKBONES}
        return values

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        refuse_labels([(backbone.name, backbone.label) for backbone in self.backbones])
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any], base: Path, source: str) -> Self:
        """Check the values of a study and make its paths absolute.

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
            Unknown keys (with the nearest right one), wrong types, values out of range: all at
            once.
        """
        config = checked(cls, values, source)
        return config.model_copy(update=absolute_paths(config, cls.path_keys, base, source))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a study file; its relative paths are relative to the file's folder.

        Raises
        ------
        RequestError
            If the file is missing, is not TOML, or asks for what cannot be.
        """
        return cls.of(read_toml(path), path.absolute().parent, str(path))


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


def absolute_paths(config: Any, keys: Iterable[str], base: Path, source: str) -> dict[str, Any]:
    """Give a study's paths as absolute ones, by key, and its backbones with those of their weights.

    Raises
    ------
    RequestError
        If a path begins with a home folder that is not known.
    """

    def absolute(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(absolute(each) for each in value)
        if isinstance(value, dict):
            return {name: absolute(each) for name, each in value.items()}
        if isinstance(value, HumanMapsConfig):
            return value.model_copy(update={"path": absolute(value.path)})
        return None if value is None else _in_home(value, base, source)

    backbones = tuple(
        backbone.model_copy(update={"weights": _weights_path(backbone.weights, base, source)})
        for backbone in config.backbones
    )
    return {**{key: absolute(getattr(config, key)) for key in keys}, "backbones": backbones}


def checked(model: type[_Config], values: Mapping[str, Any], source: str) -> _Config:
    """Check values against a model of keys.

    Raises
    ------
    RequestError
        Unknown keys (with the nearest right one), wrong types, values out of range: all at once.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_in_words(fault, model) for fault in error.errors())
        raise RequestError(f"{source}: {faults}") from None


def _weights_path(weights: str, base: Path, source: str) -> str:
    """Make the path of a local state dict absolute; `default` and `random` stay."""
    if weights in ("default", "random"):
        return weights
    return str(_in_home(Path(weights), base, source))


def _in_home(path: Path, base: Path, source: str) -> Path:
    """Make a path absolute; `~` is a home folder.

    Raises
    ------
    RequestError
        If there is no such home.
    """
    try:
        return (base / path.expanduser()).absolute()
    except RuntimeError:
        raise RequestError(
            f"{source}: the home folder in {path} is not known; write the whole path"
        ) from None


def _in_words(fault: Any, model: type[BaseModel]) -> str:
    place = [str(part) for part in fault["loc"]]
    key = ".".join(place)
    if fault["type"] == "extra_forbidden":
        known = _keys_beside(place, model)
        close = nearest(place[-1], known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known keys: {', '.join(known)}"
        return f"unknown key `{key}`; {hint}"
    if fault["type"] == "missing":
        return f"the key `{key}` is missing"
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    message = fault["msg"][0].lower() + fault["msg"][1:]
    return f"`{key}`: {message}, but {_cut(repr(fault['input']))} was given"


def _cut(text: str) -> str:
    """Keep the beginning of a long text."""
    return f"{text[:_LONGEST_VALUE]}..." if len(text) > _LONGEST_VALUE else text


def _keys_beside(place: list[str], model: type[BaseModel]) -> list[str]:
    """Keys of the section that a fault is in, found by walking down from the file's own keys."""
    for part in place[:-1]:
        field = model.model_fields.get(part)
        if field is not None:
            inner = [field.annotation, *get_args(field.annotation)]
            found = [t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)]
            model = found[0] if found else model
    return list(model.model_fields)


def read_toml(path: Path) -> dict[str, Any]:
    """Read the keys of a study file, unchecked.

    Raises
    ------
    RequestError
        If the file is missing or is not TOML.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise RequestError(f"the study file {path} is a pipe or a device; give a TOML file")
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise RequestError(f"expected a study file, but there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the study file {path} cannot be read as UTF-8 text: {error}") from None
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RequestError(f"the study file {path} is not valid TOML: {error}") from None


study_config = StudyConfig.of
read_study_file = StudyConfig.read
