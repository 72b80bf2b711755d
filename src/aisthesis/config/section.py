"""Sections of a study file: checked keys, paths made absolute, faults in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from aisthesis.errors import RequestError, nearest

__all__ = ["Section", "absolute_paths", "checked", "read_toml"]

_LONGEST_VALUE = 120


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
        if isinstance(value, Section) and hasattr(value, "path"):
            return value.model_copy(update={"path": absolute(value.path)})
        return None if value is None else _in_home(value, base, source)

    backbones = tuple(
        backbone.model_copy(update={"weights": _weights_path(backbone.weights, base, source)})
        for backbone in config.backbones
    )
    return {**{key: absolute(getattr(config, key)) for key in keys}, "backbones": backbones}


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
