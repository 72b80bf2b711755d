"""Backbones: frozen networks by name or by hand, their layers, and their weights on a disk."""

from __future__ import annotations

from aisthesis.backbones.backbone import Backbone
from aisthesis.backbones.family import Family
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
