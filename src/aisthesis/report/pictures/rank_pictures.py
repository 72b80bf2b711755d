"""On images: the methods that known places and deletion rank differently."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisthesis.errors import AisthesisError
from aisthesis.faithfulness import load_masks, mass_inside
from aisthesis.images import Transform
from aisthesis.maps.resample import upsample
from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.folder.selection import leading_kind
from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.parts.method_ranks import Contrast
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs, jpeg_data_uri
from aisthesis.report.pictures.planted_pictures import SIDE_PX, map_aucs, outlined
from aisthesis.report.words.colour_words import full_colour, unit_of
from aisthesis.report.words.wording import KIND_NAMES, capitalised, number_or_dash, percent

__all__ = ["contrast_cards"]


def contrast_cards(
    record: StudyRecord,
    photographs: Photographs,
    contrasts: Sequence[Contrast],
    whole: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Show each contrast on the image that bears it out most.

    Parameters
    ----------
    record : StudyRecord
        A study with masks; one without, or whose masks are not there any more, gives none.
    photographs : Photographs
        The photographs.
    contrasts : sequence of Contrast
        What to show.
    whole : collection of str, optional
        Images that may be shown; all by default.

    Returns
    -------
    list of dict
        Cards for the page.
    """
    folder = record.config.get("masks")
    if not folder or not Path(folder).is_dir():
        return []
    cards = []
    for one in contrasts:
        stack = record.maps.get(one.backbone)
        if stack is None or one.method not in stack.kinds:
            continue
        try:
            transform = Transform(**record.provenance["backbones"][one.backbone]["transform"])
            names = list(stack.images)
            raising, lowering = (
                load_masks(Path(folder) / side, names, transform, stack.sizes_px)
                for side in ("raising", "lowering")
            )
        except (AisthesisError, KeyError, TypeError):
            continue
        card = _card(one, stack, photographs, raising, lowering, whole)
        if card is not None:
            cards.append(card)
    return cards


def _card(
    one: Contrast,
    stack: BackboneMaps,
    photographs: Photographs,
    raising: np.ndarray,
    lowering: np.ndarray,
    whole: Collection[str] | None,
) -> dict[str, Any] | None:
    aucs = map_aucs(stack, list(stack.images), raising, one.method)
    if whole is not None:
        aucs[[image not in whole for image in stack.images]] = np.nan
    if not np.isfinite(aucs).any():
        return None
    # Worse at places than at deletion: the image on which it misses most; else where it finds most.
    misses = one.by_place > one.by_deletion
    k = int(np.nanargmin(aucs) if misses else np.nanargmax(aucs))
    name = stack.images[k]
    photo = photographs.get(name)
    inside = _mass(stack, one.method, name, raising[k])
    method = KIND_NAMES.get(one.method, one.method)
    sentence = (
        f"{capitalised(method)} {_finding(float(aucs[k]))} the raising evidence here "
        f"(pixel AUC {number_or_dash(float(aucs[k]))}, the {'lowest' if misses else 'highest'} of "
        f"those it was chosen from): {percent(inside)} of its positive mass lies on the "
        f"{percent(float(raising[k].mean()))} of the image that hold it. By what it moves it is "
        f"placed {'better' if misses else 'worse'} than by what it finds."
    )
    panels = []
    for kind in dict.fromkeys((one.method, leading_kind(stack.kinds) or one.method)):
        values = stack.get(kind, name)
        crop = stack.crop(name) if photo else None
        picture = None
        if values is not None:
            laid = lay_over(photo, values, stack.crop(name), SIDE_PX)
            picture = jpeg_data_uri(outlined(laid, crop, raising[k], lowering[k]), 95)
        auc = float(map_aucs(stack, [name], raising[k : k + 1], kind)[0])
        title = capitalised(KIND_NAMES.get(kind, kind))
        scale = f"{full_colour(values)} {unit_of(kind)}" if picture else ""
        panels.append({"label": title, "uri": picture, "scale": scale, "auc": number_or_dash(auc)})
    return {
        "name": name,
        "why": one.words,
        "sentence": sentence,
        "uri": photographs.thumbnail_uri(name, SIDE_PX),
        "panels": panels,
    }


def _finding(auc: float) -> str:
    """Say what a pixel AUC, as it is said, means: 0.50 is chance."""
    shown = round(auc, 2)
    return "misses" if shown < 0.5 else "finds" if shown > 0.5 else "neither finds nor misses"


def _mass(stack: BackboneMaps, kind: str, name: str, mask: np.ndarray) -> float:
    values = stack.get(kind, name)
    if values is None:
        return float("nan")
    pixels = upsample(torch.from_numpy(values[None]).double(), mask.shape)
    return float(mass_inside(pixels.numpy(), mask[None])[0])
