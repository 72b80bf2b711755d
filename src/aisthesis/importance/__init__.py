"""Exact ablation of channels and of places, and the scores made from it."""

from __future__ import annotations

from aisthesis.importance.ablation import Ablation
from aisthesis.importance.both import remove_both
from aisthesis.importance.calls import ablate, retained_output, run_ablation
from aisthesis.importance.place_ablation import PlaceAblation
from aisthesis.importance.place_plan import PlacePlan, place_plan
from aisthesis.importance.places import ablate_places
from aisthesis.importance.plan import AblationPlan, ablation_plan
from aisthesis.importance.scores import evidence_scores, importance_scores, place_scores
from aisthesis.importance.signs import relu_follows, sign_is_arbitrary

__all__ = [
    "Ablation",
    "AblationPlan",
    "PlaceAblation",
    "PlacePlan",
    "ablate",
    "ablate_places",
    "ablation_plan",
    "evidence_scores",
    "importance_scores",
    "place_plan",
    "place_scores",
    "relu_follows",
    "remove_both",
    "retained_output",
    "run_ablation",
    "sign_is_arbitrary",
]
