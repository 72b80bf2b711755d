"""Ways to make a map, with one interface: for comparison with AIS and evidence, and controls."""

from __future__ import annotations

from aisthesis.explainer_names import BASE, EXPLAINERS, checked_names
from aisthesis.maps.explainers.base import ExplainedNetwork, Explainer, on_cells
from aisthesis.maps.explainers.controls import CentrePrior, RandomMap
from aisthesis.maps.explainers.grad_cam import GradCam
from aisthesis.maps.explainers.gradients import GradientTimesInput, IntegratedGradients
from aisthesis.maps.explainers.lime import Lime
from aisthesis.maps.explainers.masking import Masking, multiscale, occlusion
from aisthesis.maps.explainers.own import OwnExplainer, own_explainer
from aisthesis.maps.explainers.table import (
    TITLES,
    explainer_table,
    explainers_named,
    libraries_behind,
    require_libraries,
)

__all__ = [
    "BASE",
    "EXPLAINERS",
    "TITLES",
    "CentrePrior",
    "ExplainedNetwork",
    "Explainer",
    "GradCam",
    "GradientTimesInput",
    "IntegratedGradients",
    "Lime",
    "Masking",
    "OwnExplainer",
    "RandomMap",
    "checked_names",
    "explainer_table",
    "explainers_named",
    "libraries_behind",
    "multiscale",
    "occlusion",
    "on_cells",
    "own_explainer",
    "require_libraries",
]
