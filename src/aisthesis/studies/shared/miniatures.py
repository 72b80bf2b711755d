"""Miniature backbones in a study: packaged weights, a file of one's own, or random ones."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import Any

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig
from aisthesis.images import Transform
from aisthesis.miniature import miniature_backbone, miniature_transform, miniature_weights
from aisthesis.store.ledger import file_digest
from aisthesis.studies.shared.known_backbones import file_identity, random_identity

__all__ = ["check_miniature", "miniature", "miniature_identity", "transform_of_miniature"]

#: Layers that every miniature has.
_ALWAYS_THERE = (None, "none", "deepest")


def miniature(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> Backbone:
    """Make a miniature; one whose weights come from a file is kept, as nothing changes it."""
    options = asked.model_dump(include={"name", "layer", "weights", "input_px", "view"})
    path = miniature_weights(asked.name, asked.weights)
    if path is None:
        return miniature_backbone(seed=seed, **options)
    return _kept(file_digest(path), get_ident(), **options)


def miniature_identity(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> str:
    """Digest of the file of weights, or the seed of random ones."""
    path = miniature_weights(asked.name, asked.weights)
    return random_identity(seed) if path is None else file_identity(path)


def transform_of_miniature(asked: BackboneConfig) -> Transform:
    """What images go through."""
    return miniature_transform(asked.name, asked.view, asked.input_px)


def check_miniature(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> None:
    """Refuse a miniature, a layer or a file of weights that cannot be."""
    miniature_transform(asked.name, input_px=asked.input_px)
    path = miniature_weights(asked.name, asked.weights)
    digest = None if path is None else file_digest(path)
    there = path is None or digest is not None
    as_packaged = asked.layer in _ALWAYS_THERE and asked.weights in ("default", "random")
    if not (there and as_packaged):
        _try(asked.name, asked.layer, asked.weights, digest)


@lru_cache(maxsize=16)
def _kept(_digest: str | None, _thread: int, **options: Any) -> Backbone:
    """Make a miniature once for a file of weights, and a thread, which hooks into it."""
    return miniature_backbone(**options)


@lru_cache(maxsize=64)
def _try(name: str, layer: str | None, weights: str | Path, _digest: str | None) -> None:
    """Make a miniature, which refuses what cannot be; once a process for a file of weights."""
    miniature_backbone(name, layer=layer, weights=weights)
