"""Backbones of the user's own in a study: an object, a function that makes one, or a family's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from aisthesis.backbones import Backbone, Family, Layer, scan_network
from aisthesis.config import BackboneConfig
from aisthesis.errors import RequestError
from aisthesis.images import Transform
from aisthesis.parts import denied, identity, part, remembered
from aisthesis.studies.shared.known_backbones import (
    check_known,
    known_backbone,
    known_identity,
    transform_of_known,
)

__all__ = ["check_own", "own_backbone", "own_identity", "own_layers", "own_transform"]


def own_backbone(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> Backbone:
    """Make the backbone that a study names as one of the user's own.

    Raises
    ------
    RequestError
        If what is there is no backbone and makes none, or does not take an option that is given.
    """
    found = part("backbone", asked.name)
    if isinstance(found, Family):
        return known_backbone(asked, weights_dir=weights_dir, seed=seed)
    if isinstance(found, Backbone):
        return _as_asked(found, asked)
    if not callable(found) or isinstance(found, torch.nn.Module):
        raise RequestError(
            f"expected {asked.name} as an ais.Backbone, a function that makes one or a family of "
            f"networks, got {type(found).__name__}; see docs/howto-backbone.md"
        )
    made = found(**_options(found, asked, weights_dir, seed))
    if not isinstance(made, Backbone):
        raise RequestError(
            f"expected {asked.name} to make an ais.Backbone, got {type(made).__name__}"
        )
    return made


def own_identity(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> str:
    """Digest of a backbone's source and weights, or what the record of an open folder says."""
    if denied():
        held = remembered("networks", asked.label) or {}
        return str(held.get("weights") or "not looked at")
    found = part("backbone", asked.name)
    if not isinstance(found, Family):
        return f"{_code(found)} {_facts(asked, weights_dir, seed, identity(found))[0]}"
    weights = known_identity(asked, weights_dir=weights_dir, seed=seed)
    return f"{identity(found)} {weights}"


def own_transform(asked: BackboneConfig) -> Transform:
    """Give the transform of the user's own backbone, or the one that the record says."""
    if denied():
        held = (remembered("networks", asked.label) or {}).get("transform")
        if isinstance(held, dict):
            return Transform(**held)
    found = part("backbone", asked.name)
    if isinstance(found, Family):
        return transform_of_known(asked)
    return _facts(asked, None, 0, identity(found))[1]


def check_own(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> None:
    """Refuse a backbone that `own_backbone` would refuse; nothing is run for an open folder."""
    if denied():
        return
    found = part("backbone", asked.name)
    if isinstance(found, Family):
        check_known(asked, weights_dir=weights_dir, seed=seed)
    else:
        _facts(asked, weights_dir, seed, identity(found))


def own_layers(made: Backbone) -> list[Layer]:
    """Every layer of a backbone that can be explained."""
    device = made.device
    images = torch.zeros(2, 3, *made.input_size_px, device=device)
    return list(scan_network(made.module, images).layers.values())


@lru_cache(maxsize=64)
def _facts(
    asked: BackboneConfig, weights_dir: Path | None, seed: int, code: str
) -> tuple[str, Transform]:
    """Digest of a network's tensors and all that it goes through, and its transform."""
    made = own_backbone(asked, weights_dir=weights_dir, seed=seed)
    return made.embedding_fingerprint, made.transform


def _code(found: Any) -> str:
    """Digest of the source alone: the tensors are in the fingerprint."""
    return identity([type(found.module), found.embed] if isinstance(found, Backbone) else found)


def _as_asked(found: Backbone, asked: BackboneConfig) -> Backbone:
    """Copy a backbone, with the layer and view that a study asks for."""
    if asked.weights != "default" or asked.input_px is not None:
        raise RequestError(
            f"{asked.name} is a backbone as it is: `weights` and `input_px` cannot be chosen for "
            "it; give them to a function that makes it (see docs/howto-backbone.md)"
        )
    wanted = found.layer if asked.layer is None else asked.layer
    return Backbone(
        found.module,
        layer=None if wanted == "none" else wanted,
        transform=found.transform if asked.view is None else found.transform.seeing(asked.view),
        embed=found.embed,
        name=found.name,
        network=found.network,
        weights=found.weights,
    )


def _options(
    make: Callable[..., Any], asked: BackboneConfig, weights_dir: Path | None, seed: int
) -> dict[str, Any]:
    """What a function is given of a study's keys: those it has parameters for."""
    chosen = {
        "layer": asked.layer,
        "weights": None if asked.weights == "default" else asked.weights,
        "input_px": asked.input_px,
        "view": asked.view,
    }
    chosen = {name: value for name, value in chosen.items() if value is not None}
    parameters = inspect.signature(make).parameters.values()
    every = any(one.kind is one.VAR_KEYWORD for one in parameters)
    named = {one.name for one in parameters}
    lacking = [] if every else [name for name in chosen if name not in named]
    if lacking:
        raise RequestError(
            f"{asked.name} does not take {', '.join(lacking)}; leave it out, or give the function "
            "that parameter"
        )
    beside = {"weights_dir": weights_dir, "seed": seed}
    return {**{k: v for k, v in beside.items() if k in named}, **chosen}
