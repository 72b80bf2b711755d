"""Exact ablation of channels and of places: what removing each does to a network's output."""

from __future__ import annotations

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.calls import ablate, retained_output, run_ablation
from aisthesis.ablation.places.ablation import PlaceAblation
from aisthesis.ablation.places.both import remove_both
from aisthesis.ablation.places.calls import ablate_places
from aisthesis.ablation.places.plan import PlacePlan, place_plan
from aisthesis.ablation.plan import AblationPlan, ablation_plan
from aisthesis.ablation.signs import relu_follows, sign_is_arbitrary

__all__ = [
    "Ablation",
    "AblationPlan",
    "PlaceAblation",
    "PlacePlan",
    "ablate",
    "ablate_places",
    "ablation_plan",
    "place_plan",
    "relu_follows",
    "remove_both",
    "retained_output",
    "run_ablation",
    "sign_is_arbitrary",
]
