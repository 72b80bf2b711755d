"""What a study records of how the channels and places of a layer are removed."""

from __future__ import annotations

from typing import Any

from aisthesis.ablation.signs import sign_is_arbitrary
from aisthesis.store.chunk_store import ChunkStore
from aisthesis.studies.shared.ablation_plans import Plans, plan_in_words

__all__ = ["keep_removal", "kept_removal", "removal_of"]


def removal_of(plans: Plans) -> dict[str, Any]:
    """The plans in words, what they cost, and whether a channel's sign is arbitrary."""
    channels, places = plans.channels, plans.places
    record: dict[str, Any] = {
        name: {"plan": plan_in_words(plan), "forward_passes": plan.passes}
        for name, plan in (("ablation", channels), ("places", places))
    }
    record["places"] |= {"window": places.window, "replace": plans.replace}
    return record | {"sign_is_arbitrary": sign_is_arbitrary(channels.model, channels.layer)}


def keep_removal(store: ChunkStore, removal: dict[str, Any]) -> None:
    """Leave with the maps, for who writes the record, how they were made; once for all chunks."""
    if kept_removal(store) is None:
        store.ledger.enter(_entry(store), store.dependencies, [], **removal)


def kept_removal(store: ChunkStore) -> dict[str, Any] | None:
    """What was left with the maps; None for maps of a version that left nothing."""
    done = store.ledger.state(_entry(store), store.dependencies).done
    return store.ledger.notes(_entry(store)) if done else None


def _entry(store: ChunkStore) -> str:
    return f"{store.group}/removal"
