"""Backbones: frozen networks by name or by hand, their layers, and their weights on a disk.

Names are loaded when they are first used, so that what is declared of the seven (`table`, `known`)
is told without loading torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisthesis.backbones.family import Family
    from aisthesis.backbones.frozen import Backbone
    from aisthesis.backbones.known import KNOWN, KnownBackbone
    from aisthesis.backbones.layers import Layer, Scan, modern_path, scan_network
    from aisthesis.backbones.layouts import MapLayout
    from aisthesis.backbones.official import find_official, hub_folder
    from aisthesis.backbones.recipe import Network, Recipe, scaled_px
    from aisthesis.backbones.registry import (
        backbone,
        check_backbone,
        layers_and_taken,
        list_layers,
        transform_of,
        weights_file,
    )
    from aisthesis.backbones.table import BackboneRow, backbone_rows, backbone_table
    from aisthesis.backbones.trunk import FrozenTrunk
    from aisthesis.backbones.weights import WeightsFile, WeightsRecord, tensors_digest

_HOME = {
    "Backbone": "frozen",
    "BackboneRow": "table",
    "Family": "family",
    "FrozenTrunk": "trunk",
    "KNOWN": "known",
    "KnownBackbone": "known",
    "Layer": "layers",
    "MapLayout": "layouts",
    "Network": "recipe",
    "Recipe": "recipe",
    "Scan": "layers",
    "WeightsFile": "weights",
    "WeightsRecord": "weights",
    "backbone": "registry",
    "backbone_rows": "table",
    "backbone_table": "table",
    "check_backbone": "registry",
    "find_official": "official",
    "hub_folder": "official",
    "layers_and_taken": "registry",
    "list_layers": "registry",
    "modern_path": "layers",
    "scaled_px": "recipe",
    "scan_network": "layers",
    "tensors_digest": "weights",
    "transform_of": "registry",
    "weights_file": "registry",
}

__all__ = [
    "KNOWN",
    "Backbone",
    "BackboneRow",
    "Family",
    "FrozenTrunk",
    "KnownBackbone",
    "Layer",
    "MapLayout",
    "Network",
    "Recipe",
    "Scan",
    "WeightsFile",
    "WeightsRecord",
    "backbone",
    "backbone_rows",
    "backbone_table",
    "check_backbone",
    "find_official",
    "hub_folder",
    "layers_and_taken",
    "list_layers",
    "modern_path",
    "scaled_px",
    "scan_network",
    "tensors_digest",
    "transform_of",
    "weights_file",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
