"""Backbones of torchvision, timm and families in a study, by their names alone."""

from __future__ import annotations

from pathlib import Path

from aisthesis.backbones import Backbone, backbone, check_backbone, transform_of, weights_file
from aisthesis.config import BackboneConfig
from aisthesis.images import Transform
from aisthesis.store.ledger import file_digest

__all__ = [
    "check_known",
    "file_identity",
    "known_backbone",
    "known_identity",
    "random_identity",
    "transform_of_known",
]


def known_identity(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> str:
    """Digest of the file of weights, or the seed of random ones."""
    if asked.weights == "random":
        return random_identity(seed)
    return file_identity(weights_file(asked.name, weights=asked.weights, weights_dir=weights_dir))


def random_identity(seed: int) -> str:
    """Name random weights."""
    return f"random, seed {seed}"


def file_identity(path: Path | None) -> str:
    """Name weights by their file's digest."""
    return (file_digest(path) if path is not None else None) or "not on this disk"


def known_backbone(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> Backbone:
    """Make the backbone."""
    return backbone(
        asked.name,
        layer=asked.layer,
        weights=asked.weights,
        weights_dir=weights_dir,
        seed=seed,
        input_px=asked.input_px,
        view=asked.view,
    )


def check_known(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> None:
    """Refuse a backbone, a layer or weights that cannot be."""
    check_backbone(
        asked.name,
        layer=asked.layer,
        weights=asked.weights,
        weights_dir=weights_dir,
        input_px=asked.input_px,
    )


def transform_of_known(asked: BackboneConfig) -> Transform:
    """What images go through."""
    return transform_of(asked.name, input_px=asked.input_px, view=asked.view)
