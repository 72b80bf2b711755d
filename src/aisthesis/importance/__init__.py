"""Exact channel ablation at the price of one forward pass, and the scores made from it."""

from __future__ import annotations

from aisthesis.importance.ablation import Ablation
from aisthesis.importance.calls import ablate, retained_output, run_ablation
from aisthesis.importance.plan import AblationPlan, ablation_plan
from aisthesis.importance.scores import evidence_scores, importance_scores

__all__ = [
    "Ablation",
    "AblationPlan",
    "ablate",
    "ablation_plan",
    "evidence_scores",
    "importance_scores",
    "retained_output",
    "run_ablation",
]
