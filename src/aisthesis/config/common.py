"""What studies of every kind say in their study file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from aisthesis.config.columns import TableColumns
from aisthesis.config.section import Section, absolute_paths, checked, read_toml
from aisthesis.names.labels import refuse_labels

__all__ = ["AIS_BACKBONES", "BackboneConfig", "CommonConfig", "DaskConfig", "PlacesConfig"]

AIS_BACKBONES = ("vgg16", "vgg19", "resnet152", "densenet161", "efficientnet_b3", "barlow_twins")


class PlacesConfig(Section):
    """How places of a layer are removed: how many together, and what stands in for them."""

    window: Literal[1, 3, 5, "auto"] = "auto"
    replace: Literal["zero", "mean"] = "zero"


class DaskConfig(Section):
    """Where `engine = "dask"` finds its workers.

    A scheduler's address, or a cluster to be started: on this machine, or by a batch system, whose
    options (`queue`, `cores`, `memory`, `walltime`, ...) are dask-jobqueue's.
    """

    scheduler: str | None = None
    cluster: Literal["local", "slurm", "pbs", "lsf"] = "local"
    options: dict[str, Any] = Field({})


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
