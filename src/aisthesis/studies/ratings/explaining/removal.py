"""What a study records of how the channels and places of a layer are removed."""

from __future__ import annotations

from typing import Any

from aisthesis.ablation.signs import sign_is_arbitrary
from aisthesis.studies.shared.ablation_plans import Plans, plan_in_words

__all__ = ["removal_of"]


def removal_of(plans: Plans) -> dict[str, Any]:
    """The plans in words, what they cost, and whether a channel's sign is arbitrary."""
    channels, places = plans.channels, plans.places
    record: dict[str, Any] = {
        name: {"plan": plan_in_words(plan), "forward_passes": plan.passes}
        for name, plan in (("ablation", channels), ("places", places))
    }
    record["places"] |= {"window": places.window, "replace": plans.replace}
    arbitrary = sign_is_arbitrary(channels.model, channels.layer, channels.traced)
    return record | {"sign_is_arbitrary": arbitrary}
