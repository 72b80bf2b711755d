"""Every backbone that a study can name, wherever it is defined."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from aisthesis.alignment_config import AlignmentConfig
from aisthesis.backbones import (
    Backbone,
    backbone,
    check_backbone,
    list_layers,
    scan_network,
)
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.miniature import MINIATURE_PREFIX, miniature_backbone

__all__ = ["build", "check_request", "layers_of"]


def build(asked: BackboneConfig, *, weights_dir: Path | None, seed: int) -> Backbone:
    """Build the backbone that a study asks for.

    Parameters
    ----------
    asked : BackboneConfig
    weights_dir : Path, optional
        Folder of official weight files.
    seed : int
        Of random weights.
    """
    if asked.name.startswith(MINIATURE_PREFIX):
        return miniature_backbone(asked.name, layer=asked.layer, weights=asked.weights, seed=seed)
    return backbone(
        asked.name,
        layer=asked.layer,
        weights=asked.weights,
        weights_dir=weights_dir,
        seed=seed,
        input_px=asked.input_px,
    )


def check_request(config: StudyConfig | AlignmentConfig) -> None:
    """Refuse a study whose backbones, layers or weights are not there, before any work is done.

    Raises
    ------
    RequestError
        The first wrong name, layer or file, with the nearest right ones.
    """
    for asked in config.backbones:
        if asked.name.startswith(MINIATURE_PREFIX):
            miniature_backbone(asked.name, layer=asked.layer, weights=asked.weights)
            continue
        check_backbone(
            asked.name,
            layer=asked.layer,
            weights=asked.weights,
            weights_dir=config.weights_dir,
            input_px=asked.input_px,
        )


def layers_of(name: str) -> pd.DataFrame:
    """List the layers of a backbone that can be explained, with their output shapes."""
    if name.startswith(MINIATURE_PREFIX):
        made = miniature_backbone(name, weights="random", layer="none")
        side = made.input_px
        layers = list(scan_network(made.module, torch.zeros(2, 3, side, side)).layers.values())
    else:
        layers = list_layers(name)
    return pd.DataFrame(
        {
            "layer": [layer.path for layer in layers],
            "type": [layer.kind for layer in layers],
            "output (channels x height x width)": [
                " x ".join(map(str, layer.layout.shape)) for layer in layers
            ],
        }
    )
