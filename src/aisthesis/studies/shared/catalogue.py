"""Every backbone that a study can name, wherever it is defined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from aisthesis.backbones import Backbone, layers_and_taken, scan_network
from aisthesis.config import BackboneConfig, CommonConfig
from aisthesis.errors import AisthesisError
from aisthesis.images import Transform
from aisthesis.miniature import MINIATURE_PREFIX, miniature_backbone
from aisthesis.parts import is_own
from aisthesis.studies.shared.known_backbones import (
    check_known,
    known_backbone,
    known_identity,
    transform_of_known,
)
from aisthesis.studies.shared.miniatures import (
    check_miniature,
    miniature,
    miniature_identity,
    transform_of_miniature,
)
from aisthesis.studies.shared.own_backbones import (
    check_own,
    own_backbone,
    own_identity,
    own_layers,
    own_transform,
)
from aisthesis.studies.shared.stand_in import is_stand_in, stand_in, stand_in_transform

__all__ = ["asked_transform", "build", "check_request", "layers_of", "weights_identity"]


@dataclass(frozen=True)
class _Kind:
    """What a kind of backbone answers.

    Attributes
    ----------
    identity, build, check : callable
        Of what is asked for, `weights_dir` and `seed`: name its weights, make it, refuse it.
    transform : callable
        Of what is asked for: what images go through.
    """

    identity: Callable[..., str]
    build: Callable[..., Backbone]
    check: Callable[..., None]
    transform: Callable[[BackboneConfig], Transform]


_OWN = _Kind(own_identity, own_backbone, check_own, own_transform)
_MINIATURE = _Kind(miniature_identity, miniature, check_miniature, transform_of_miniature)
_KNOWN = _Kind(known_identity, known_backbone, check_known, transform_of_known)
#: A plan's own, which are there whatever is asked of them.
_STAND_IN = _Kind(
    lambda asked, **_: str(asked.name),
    lambda asked, **_: stand_in(asked.name),
    lambda _asked, **_: None,
    lambda asked: stand_in_transform(asked.name),
)


def _kind(name: str) -> _Kind:
    if is_own("backbone", name):
        return _OWN
    if is_stand_in(name):
        return _STAND_IN
    return _MINIATURE if name.startswith(MINIATURE_PREFIX) else _KNOWN


def weights_identity(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> str:
    """Name a backbone's weights by their file's SHA-256, or random ones by their seed.

    No network is made. A file that is changed or replaced has another identity.
    """
    return _kind(asked.name).identity(asked, weights_dir=weights_dir, seed=seed)


def asked_transform(asked: BackboneConfig) -> Transform:
    """Give the transform of the backbone that a study asks for, without making it."""
    return _kind(asked.name).transform(asked)


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
    made = _kind(asked.name).build(asked, weights_dir=weights_dir, seed=seed)
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
        _kind(asked.name).check(asked, weights_dir=config.weights_dir, seed=config.seed)


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
