"""Keys of a study file out of what is given on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aisthesis.errors import RequestError

__all__ = ["columns_given", "keys_given", "names_in", "pairs_given", "per_backbone"]


def keys_given(
    options: argparse.Namespace, paths: Sequence[str], plain: Sequence[str]
) -> tuple[dict[str, Any], Path]:
    """Keys of the study file, if any, with options written over them; what paths are relative to.

    `paths` are options that are relative to the working directory, `plain` those of any value;
    backbones, their layers and weights are every study's.
    """
    from aisthesis.config import read_toml

    values: dict[str, Any] = {}
    base = Path.cwd()
    if options.study is not None:
        from aisthesis.store.folder import StudyFolder
        from aisthesis.store.permitted import folder_of

        own = folder_of(options.study)
        base = options.study.absolute().parent
        if own is None:
            values = read_toml(options.study)
        else:
            values = StudyFolder(own, follow_links=options.follow_links).study_keys()
    given = vars(options)
    values |= {key: str(given[key].absolute()) for key in paths if given[key] is not None}
    values |= {key: given[key] for key in plain if given[key] is not None}
    if options.backbones:
        values["backbones"] = [{"name": name} for name in names_in(options.backbones)]
    _backbone_options(values, options.layer, options.weights)
    return values, base


def _backbone_options(values: dict[str, Any], layer: Sequence[str], weights: Sequence[str]) -> None:
    """Write what `--layer` and `--weights` say into the keys of a study."""
    per_backbone(values, "layer", pairs_given(layer, "--layer"))
    paths = pairs_given(weights, "--weights")
    words = ("default", "random")
    for name, value in paths.items():
        paths[name] = value if value in words else str(Path(value).absolute())
    per_backbone(values, "weights", paths)


def names_in(text: str) -> list[str]:
    """Names out of a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def columns_given(held: Any, items: Sequence[str]) -> dict[str, Any]:
    """Write what `--column` says over the keys of `[columns]`; lists are comma-separated."""
    keys: dict[str, Any] = {"names": held} if isinstance(held, list) else dict(held)
    for key, value in pairs_given(items, "--column").items():
        several = key in ("votes", "scale", "names") or (key == "raters" and value != "anonymous")
        several |= key == "rating" and "," in value  # properties
        keys[key] = names_in(value) if several else value
    return keys


def pairs_given(items: Sequence[str], option: str) -> dict[str, str]:
    """Values by name out of `NAME=VALUE` of an option."""
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (equals and name and value):
            raise RequestError(f"{option}: expected NAME=VALUE, got {item!r}")
        pairs[name] = value
    return pairs


def per_backbone(values: dict[str, Any], key: str, chosen: dict[str, str]) -> None:
    """Write a key of some backbones, by their labels, into the keys of a study."""
    from aisthesis.config import AIS_BACKBONES
    from aisthesis.errors import nearest, or_list

    if not chosen:
        return
    named = values.get("backbones") or AIS_BACKBONES
    backbones = [{"name": item} if isinstance(item, str) else item for item in named]
    labels = [backbone.get("label", backbone["name"]) for backbone in backbones]
    for name in chosen:
        if name not in labels:
            close = nearest(name, labels) or labels
            raise RequestError(
                f"--{key} {name}=...: {name!r} is not a backbone of this study; "
                f"did you mean {or_list(close)}?"
            )
    values["backbones"] = [
        {**backbone, **({key: chosen[label]} if label in chosen else {})}
        for label, backbone in zip(labels, backbones, strict=True)
    ]
