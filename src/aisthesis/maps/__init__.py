"""Score-weighted heatmaps: making them, putting them on the pixel grid, colouring them."""

from __future__ import annotations

from aisthesis.maps.colour import DIVERGING_ANCHORS, overlay, signed_rgba, symmetric_limit
from aisthesis.maps.resample import interpolation_matrix, upsample
from aisthesis.maps.standardise import FLAT_TOLERANCE, z_score
from aisthesis.maps.weighting import activation_map, alignment_map, weighted_map

__all__ = [
    "DIVERGING_ANCHORS",
    "FLAT_TOLERANCE",
    "activation_map",
    "alignment_map",
    "interpolation_matrix",
    "overlay",
    "signed_rgba",
    "symmetric_limit",
    "upsample",
    "weighted_map",
    "z_score",
]
