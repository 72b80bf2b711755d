"""Ways to make a map, with one interface: for comparison with AIS and evidence, and controls."""

from __future__ import annotations

from aisthesis.explainers.base import ExplainedNetwork, Explainer, on_cells
from aisthesis.explainers.controls import CentrePrior, RandomMap
from aisthesis.explainers.grad_cam import GradCam
from aisthesis.explainers.gradients import GradientTimesInput, IntegratedGradients
from aisthesis.explainers.lime import Lime
from aisthesis.explainers.masking import Masking, multiscale, occlusion
from aisthesis.explainers.own import OwnExplainer, own_explainer
from aisthesis.explainers.registry import (
    TITLES,
    explainer_table,
    explainers_named,
    libraries_behind,
    require_libraries,
)
from aisthesis.names.explainers import BASE, EXPLAINERS, checked_names

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
