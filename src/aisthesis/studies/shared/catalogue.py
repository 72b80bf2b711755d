"""Every backbone that a study can name, wherever it is defined."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import Any

import pandas as pd
import torch

from aisthesis.backbones import (
    Backbone,
    backbone,
    check_backbone,
    layers_and_taken,
    scan_network,
    transform_of,
    weights_file,
)
from aisthesis.config import BackboneConfig, CommonConfig
from aisthesis.errors import AisthesisError
from aisthesis.images import Transform
from aisthesis.miniature import (
    MINIATURE_PREFIX,
    miniature_backbone,
    miniature_transform,
    miniature_weights,
)
from aisthesis.parts import is_own
from aisthesis.store.ledger import file_digest
from aisthesis.studies.shared.own_backbones import (
    check_own,
    own_backbone,
    own_identity,
    own_layers,
    own_transform,
)
from aisthesis.studies.shared.stand_in import is_stand_in, stand_in, stand_in_transform

__all__ = ["asked_transform", "build", "check_request", "layers_of", "weights_identity"]


#: Layers that every miniature has.
_ALWAYS_THERE = (None, "none", "deepest")


def weights_identity(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> str:
    """Name a backbone's weights by their file's SHA-256, or random ones by their seed.

    No network is made. A file that is changed or replaced has another identity.
    """
    if is_own("backbone", asked.name):
        return own_identity(asked, weights_dir=weights_dir, seed=seed)
    if is_stand_in(asked.name):
        return asked.name
    if asked.weights == "random":
        return f"random, seed {seed}"
    if asked.name.startswith(MINIATURE_PREFIX):
        path = miniature_weights(asked.name, asked.weights)
    else:
        path = weights_file(asked.name, weights=asked.weights, weights_dir=weights_dir)
    return (file_digest(path) if path is not None else None) or "not on this disk"


def asked_transform(asked: BackboneConfig) -> Transform:
    """Give the transform of the backbone that a study asks for, without making it."""
    if is_own("backbone", asked.name):
        return own_transform(asked)
    if is_stand_in(asked.name):
        return stand_in_transform(asked.name)
    if asked.name.startswith(MINIATURE_PREFIX):
        return miniature_transform(asked.name, asked.view, asked.input_px)
    return transform_of(asked.name, input_px=asked.input_px, view=asked.view)


def build(
    asked: BackboneConfig, *, weights_dir: Path | None, seed: int, identity: str | None = None
) -> Backbone:
    """Build the backbone that a study asks for.

    Parameters
    ----------
    asked : BackboneConfig
    weights_dir : Path, optional
        Folder of official weight files.
    seed : int
        Of random weights.
    identity : str, optional
        What `weights_identity` said when the study began.

    Raises
    ------
    AisthesisError
        If the file of weights is not the one that the study began with.
    """
    if is_own("backbone", asked.name):
        made = own_backbone(asked, weights_dir=weights_dir, seed=seed)
    elif is_stand_in(asked.name):
        made = stand_in(asked.name)
    elif asked.name.startswith(MINIATURE_PREFIX):
        made = _miniature(asked, seed)
    else:
        made = backbone(
            asked.name,
            layer=asked.layer,
            weights=asked.weights,
            weights_dir=weights_dir,
            seed=seed,
            input_px=asked.input_px,
            view=asked.view,
        )
    found = made.weights.file_sha256
    if identity is not None and found and found != identity:
        raise AisthesisError(
            f"{asked.label}: the weights in {made.weights.source} were replaced while the study "
            f"was running (SHA-256 {identity[:12]} before, {found[:12]} now); run it again and "
            "what depends on them is computed anew"
        )
    return made


def check_request(config: CommonConfig) -> None:
    """Refuse a study whose backbones, layers or weights are not there, before any work is done.

    Raises
    ------
    RequestError
        The first wrong name, layer or file, with the nearest right ones.
    """
    for asked in config.backbones:
        if is_stand_in(asked.name):
            continue
        if is_own("backbone", asked.name):
            check_own(asked, weights_dir=config.weights_dir, seed=config.seed)
            continue
        if asked.name.startswith(MINIATURE_PREFIX):
            miniature_transform(asked.name, input_px=asked.input_px)
            path = miniature_weights(asked.name, asked.weights)
            digest = None if path is None else file_digest(path)
            there = path is None or digest is not None
            as_packaged = asked.layer in _ALWAYS_THERE and asked.weights in ("default", "random")
            if not (there and as_packaged):
                _try_miniature(asked.name, asked.layer, asked.weights, digest)
            continue
        check_backbone(
            asked.name,
            layer=asked.layer,
            weights=asked.weights,
            weights_dir=config.weights_dir,
            input_px=asked.input_px,
        )


def _miniature(asked: BackboneConfig, seed: int) -> Backbone:
    """Make a miniature; one whose weights come from a file is kept, as nothing changes it."""
    options = asked.model_dump(include={"name", "layer", "weights", "input_px", "view"})
    path = miniature_weights(asked.name, asked.weights)
    if path is None:
        return miniature_backbone(seed=seed, **options)
    return _kept(file_digest(path), get_ident(), **options)


@lru_cache(maxsize=16)
def _kept(_digest: str | None, _thread: int, **options: Any) -> Backbone:
    """Make a miniature once for a file of weights, and a thread, which hooks into it."""
    return miniature_backbone(**options)


@lru_cache(maxsize=64)
def _try_miniature(name: str, layer: str | None, weights: str | Path, digest: str | None) -> None:
    """Make a miniature, which refuses what cannot be; once a process for a file of weights."""
    miniature_backbone(name, layer=layer, weights=weights)


def layers_of(name: str) -> pd.DataFrame:
    """List the layers of a backbone that can be explained, with their output shapes.

    `note` marks the one that is taken where a study names none, or else `deepest`.
    """
    if is_own("backbone", name):
        made = own_backbone(BackboneConfig.model_validate(name), weights_dir=None, seed=0)
        layers, taken = own_layers(made), made.layer
    elif name.startswith(MINIATURE_PREFIX):
        made = miniature_backbone(name, weights="random", layer="none")
        images = torch.zeros(2, 3, *made.input_size_px)
        layers = list(scan_network(made.module, images).layers.values())
        taken = miniature_backbone(name, weights="random").layer
    else:
        layers, taken = layers_and_taken(name)
    return pd.DataFrame(
        {
            "layer": [layer.path for layer in layers],
            "type": [layer.kind for layer in layers],
            "output (channels x height x width)": [
                " x ".join(map(str, layer.layout.shape)) for layer in layers
            ],
            "note": ["recommended" if layer.path == taken else "" for layer in layers],
        }
    )
