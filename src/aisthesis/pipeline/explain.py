"""Former place of the functions that explain one batch of images."""

from __future__ import annotations

from aisthesis.studies.ratings.explaining.explain import explain_batch, explain_both, explain_places
from aisthesis.studies.shared.ablation_plans import place_plan_for, plan_for

__all__ = ["explain_batch", "explain_both", "explain_places", "place_plan_for", "plan_for"]
