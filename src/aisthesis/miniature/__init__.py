"""The embedded study: rendered images with planted evidence, and miniature backbones."""

from __future__ import annotations

from aisthesis.miniature.planted import (
    PlantedImage,
    PlantedStudy,
    render_image,
    render_study,
    simulate_ratings,
)
from aisthesis.miniature.pretrained import (
    MINIATURE_PREFIX,
    MINIATURES,
    miniature_backbone,
    miniature_transform,
    miniature_weights,
    training_record,
)
from aisthesis.miniature.scene import Difficulty, Evidence, Scene

__all__ = [
    "MINIATURES",
    "MINIATURE_PREFIX",
    "Difficulty",
    "Evidence",
    "PlantedImage",
    "PlantedStudy",
    "Scene",
    "miniature_backbone",
    "miniature_transform",
    "miniature_weights",
    "render_image",
    "render_study",
    "simulate_ratings",
    "training_record",
]
