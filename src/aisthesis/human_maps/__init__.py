"""Where people look or click, and how well maps say it."""

from __future__ import annotations

from aisthesis.human_maps.comparison import HUMAN_MAP_COLUMNS, human_map_table, saliency_of
from aisthesis.human_maps.fixations import Fixations, fixations_of, read_fixations
from aisthesis.human_maps.frame import Frame, frames_of
from aisthesis.human_maps.images import SeenImages
from aisthesis.human_maps.measures import (
    SALIENCY_MEASURES,
    SaliencyMeasure,
    auc_judd,
    auc_shuffled,
    correlation,
    kl_divergence,
    nss,
    similarity,
)
from aisthesis.human_maps.reading import KINDS, HumanMaps, human_maps
from aisthesis.human_maps.seen import Seen, seen_by_density, seen_by_fixations, seen_by_mask

__all__ = [
    "HUMAN_MAP_COLUMNS",
    "KINDS",
    "SALIENCY_MEASURES",
    "Fixations",
    "Frame",
    "HumanMaps",
    "SaliencyMeasure",
    "Seen",
    "SeenImages",
    "auc_judd",
    "auc_shuffled",
    "correlation",
    "fixations_of",
    "frames_of",
    "human_map_table",
    "human_maps",
    "kl_divergence",
    "nss",
    "read_fixations",
    "saliency_of",
    "seen_by_density",
    "seen_by_fixations",
    "seen_by_mask",
    "similarity",
]
