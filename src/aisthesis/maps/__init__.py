"""Score-weighted heatmaps: making them, putting them on the pixel grid, colouring them."""

from __future__ import annotations

from aisthesis.maps.colour import (
    DIVERGING_ANCHORS,
    overlay,
    signed_rgba,
    stated_limit,
    symmetric_limit,
)
from aisthesis.maps.common_frame import ensemble_map, onto_frame, union_of_boxes
from aisthesis.maps.photograph_masking import photograph_masking_map
from aisthesis.maps.rating_units import rating_unit_map
from aisthesis.maps.resample import interpolation_matrix, upsample
from aisthesis.maps.standardise import FLAT_TOLERANCE, z_score
from aisthesis.maps.weighting import activation_map, alignment_map, weighted_map

__all__ = [
    "DIVERGING_ANCHORS",
    "FLAT_TOLERANCE",
    "activation_map",
    "alignment_map",
    "ensemble_map",
    "interpolation_matrix",
    "onto_frame",
    "overlay",
    "photograph_masking_map",
    "rating_unit_map",
    "signed_rgba",
    "stated_limit",
    "symmetric_limit",
    "union_of_boxes",
    "upsample",
    "weighted_map",
    "z_score",
]
