"""Parts of a user's own, wherever a name does: backbones, metrics, explainers, heads, readers."""

from __future__ import annotations

from aisthesis.parts.finding import (
    GROUPS,
    bring,
    denied,
    entry_names,
    given_name,
    identity_of,
    is_entry,
    is_own,
    is_reference,
    only_remembered,
    own_name,
    part,
    part_keys,
    remembered,
)
from aisthesis.parts.identity import identity

__all__ = [
    "GROUPS",
    "bring",
    "denied",
    "entry_names",
    "given_name",
    "identity",
    "identity_of",
    "is_entry",
    "is_own",
    "is_reference",
    "only_remembered",
    "own_name",
    "part",
    "part_keys",
    "remembered",
]
