"""What a reader must know before believing a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from aisthesis.report.sentences.kinds_of_evidence import observe_signs
from aisthesis.report.sentences.tables import seen_in_words
from aisthesis.report.words.wording import KIND_NAMES, and_list, count, percent

__all__ = ["Caution", "cautions"]

_WHOLE = 0.995  # less of a photograph's area is said to be a part of it
#: Share of images on which a head is dead from which that is serious.
MANY_DEAD = 0.1


@dataclass(frozen=True)
class Caution:
    """One warning: what is the matter, what follows from it, and the particulars."""

    level: Literal["serious", "notice"]
    title: str
    text: str
    items: list[str] = field(default_factory=list)


def cautions(
    provenance: dict[str, Any],
    agreement: pd.DataFrame,
    unreadable: dict[str, str],
    other_crops: Sequence[str] = (),
) -> list[Caution]:
    """Gather every warning that applies to a study.

    Parameters
    ----------
    provenance : dict
        `provenance.json`.
    agreement : pandas.DataFrame
        `agreement.csv`; may be empty.
    unreadable : dict of str to str
        Photographs that the report could not show, with the reason.
    other_crops : sequence of str
        Backbones that saw another part of the photographs than the first one.

    Returns
    -------
    list of Caution
        Serious ones first.
    """
    found = [
        _random_weights(provenance),
        _told(provenance),
        _skipped(provenance),
        _explained_training(provenance),
        _dead_heads(provenance),
        _flat_maps(provenance),
        _arbitrary_signs(provenance),
        _undefined(agreement),
        _partly_seen(provenance),
        _other_crops(other_crops, agreement),
        _unreadable(unreadable),
    ]
    present = [caution for caution in found if caution is not None]
    return sorted(present, key=lambda caution: caution.level != "serious")


def _random_weights(provenance: dict[str, Any]) -> Caution | None:
    backbones = provenance.get("backbones", {})
    names = [b for b, facts in backbones.items() if _weights_kind(facts) == "random"]
    if not names:
        return None
    if len(names) == len(backbones):
        who = "None of the networks has been trained"
    else:
        who = f"{and_list(names)} {'has' if len(names) == 1 else 'have'} not been trained"
    return Caution(
        "serious",
        "Random weights",
        f"{who}: the weights are random numbers. This tries out the machinery: the "
        "maps and agreements say nothing about what trained networks see.",
    )


def _weights_kind(facts: dict[str, Any]) -> str:
    return str((facts.get("weights") or {}).get("kind", ""))


def _told(provenance: dict[str, Any]) -> Caution | None:
    # What has a caution of its own is not said twice.
    said = {
        f"{label}: {facts['weights'].get('warning')}"
        for label, facts in provenance.get("backbones", {}).items()
        if _weights_kind(facts) == "random"
    }
    skipped = bool(provenance.get("images", {}).get("skipped"))
    messages = [
        str(message)
        for message in provenance.get("warnings", [])
        if message not in said and not (skipped and str(message).endswith("skipped"))
    ]
    if not messages:
        return None
    return Caution("serious", "Warnings of the run", "While it ran, the study warned:", messages)


def _skipped(provenance: dict[str, Any]) -> Caution | None:
    skipped = provenance.get("images", {}).get("skipped", [])
    if not skipped:
        return None
    items = [f"{entry.get('image')}: {entry.get('reason')}" for entry in skipped]
    return Caution(
        "serious",
        f"{count(len(items), 'image')} skipped",
        "These could not be used and take no part in any number:",
        items,
    )


def _explained_training(provenance: dict[str, Any]) -> Caution | None:
    if provenance.get("explained", {}).get("which") != "all":
        return None
    return Caution(
        "notice",
        "Training images among the explained ones",
        "All images were explained, also those the heads were fitted to. There residuals are "
        "smaller than on unseen images, and the sign of an AIS map hangs on the residual.",
    )


def _dead_heads(provenance: dict[str, Any]) -> Caution | None:
    """Name the heads that predict a constant, by backbone and seed."""
    found = [
        (label, one)
        for label, facts in provenance.get("backbones", {}).items()
        for one in facts.get("dead_heads") or []
    ]
    if not found:
        return None
    what = {
        "fit": "images it predicts the same constant",
        "explain": "explained images no channel changes its prediction",
    }
    items = [
        f"{label}, seed {one['seed']}: on {one['n']:,} of {one['of']:,} {what[one['stage']]}"
        for label, one in found
    ]
    many = any(one["n"] >= MANY_DEAD * one["of"] for _, one in found)
    return Caution(
        "serious" if many else "notice",
        "Dead heads",
        "Where none of a head’s hidden units is active it predicts a constant and its maps are "
        "flat; maps averaged over seeds then stand on the other seeds. Such images are not among "
        "those shown large, as long as there are others. Another seed of the study may do better:",
        items,
    )


def _flat_maps(provenance: dict[str, Any]) -> Caution | None:
    items = [
        f"{label}: {count(int(n), f'{KIND_NAMES.get(kind, kind)} map')}"
        for label, facts in provenance.get("backbones", {}).items()
        for kind, n in (facts.get("flat_maps") or {}).items()
        if n
    ]
    if not items:
        return None
    return Caution(
        "notice",
        "Flat maps",
        "A constant map shows no place. It is drawn empty and is undefined in every metric:",
        items,
    )


def _arbitrary_signs(provenance: dict[str, Any]) -> Caution | None:
    text = observe_signs(provenance.get("backbones", {}))
    return None if text is None else Caution("notice", "Signs that nobody chose", text)


def _undefined(agreement: pd.DataFrame) -> Caution | None:
    if "n_undefined" not in agreement or not agreement["n_undefined"].sum():
        return None
    total = int(agreement["n_undefined"].sum())
    compared = total + int(agreement["n"].sum())
    return Caution(
        "notice",
        f"{count(total, 'undefined value')}",
        f"Of {compared:,} agreements between two maps {total:,} are undefined; they are counted in "
        "the tables and take no part in means.",
    )


def _partly_seen(provenance: dict[str, Any]) -> Caution | None:
    seen = {
        label: facts
        for label, facts in provenance.get("backbones", {}).items()
        if (facts.get("seen") or {}).get("min", 1.0) < _WHOLE
    }
    if not seen:
        return None
    return Caution(
        "notice",
        "Networks saw part of the photographs",
        "People rated whole photographs. What a network did not see of one cannot change its "
        'prediction and has no place on its maps; `view = "squash"` or `"pad"` in the study file '
        "shows it the whole. Of the photographs' area these networks saw, on average (least to "
        "most):",
        [f"{label}: {seen_in_words(facts)}" for label, facts in seen.items()],
    )


def _other_crops(labels: Sequence[str], agreement: pd.DataFrame) -> Caution | None:
    if not labels:
        return None
    text = f"{and_list(labels)} cropped the photographs otherwise than the first network."
    if len(agreement):
        text += f" {_how_compared(agreement)}"
    return Caution("notice", "Not all networks saw the same part of the photographs", text)


def _how_compared(agreement: pd.DataFrame) -> str:
    """Say over which part of the photographs maps were compared."""
    if "compared_share" not in agreement:  # by 0.1.0
        return (
            "Agreement compares maps as each network saw its own crop, so the same place lies "
            "apart in them; the pictures below put every map where it belongs."
        )
    shares = agreement["compared_share"].dropna()
    least = ""
    if len(shares):
        least = f", {percent(shares.min())} of their area for the pair with the smallest"
    return (
        "Agreement compares the maps of two networks over the part of the photographs that both "
        f"saw{least}."
    )


def _unreadable(unreadable: dict[str, str]) -> Caution | None:
    if not unreadable:
        return None
    items = [f"{name} {reason}" for name, reason in sorted(unreadable.items())]
    if len(items) > 20:
        items = [*items[:20], f"and {len(items) - 20} more"]
    return Caution(
        "notice", "Photographs that cannot be shown", "Their maps are shown on white:", items
    )
