"""What the page needs to browse images: small maps, thumbnails and facts, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.maps import DIVERGING_ANCHORS
from aisthesis.report.overlays import LIMIT_SD, OPACITY, map_moments
from aisthesis.report.photographs import Photographs
from aisthesis.report.selection import prediction_lookup
from aisthesis.report.stored_maps import KINDS, BackboneMaps

__all__ = ["browser_payload", "encode_map", "images_that_fit"]

BUDGET_BYTES = 20_000_000
THUMBNAIL_BYTES = 22_000  # a typical 320 px JPEG in base64


def images_that_fit(maps: dict[str, BackboneMaps], most: int = 150) -> int:
    """Say how many images can be embedded, at most `most`, within about 20 MB of page."""
    cells = sum(
        stack.kinds[kind].shape[1] * stack.kinds[kind].shape[2]
        for stack in maps.values()
        for kind in stack.kinds
    )
    per_image = THUMBNAIL_BYTES + cells * 2 * 4 / 3
    return max(1, min(most, int(BUDGET_BYTES / per_image)))


def encode_map(values: np.ndarray) -> dict[str, Any]:
    """Encode a finite map (y × x) as 16-bit integers in base64, with what the page needs of it.

    Returns
    -------
    dict
        `h`, `w`; `data` (little-endian int16, row by row); `unit`, the value of one step;
        `mean` and `sd` over the pixel grid; `flat`.
    """
    largest = float(np.abs(values).max())
    unit = largest / 32767 or 1.0
    steps = np.rint(values.astype(np.float64) / unit).astype("<i2")
    moments = map_moments(values)
    return {
        "h": int(values.shape[0]),
        "w": int(values.shape[1]),
        "data": base64.b64encode(steps.tobytes()).decode("ascii"),
        "unit": unit,
        "mean": moments.mean,
        "sd": moments.sd,
        "flat": moments.flat,
    }


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)


def _one_image(
    name: str,
    facts: dict[Hashable, Any],
    predictions: dict[tuple[str, str], float],
    maps: dict[str, BackboneMaps],
    photographs: Photographs,
) -> dict[str, Any]:
    found = {
        kind: [None if (m := stack.get(kind, name)) is None else encode_map(m)
               for stack in maps.values()]
        for kind in KINDS
    }  # fmt: skip
    crops = [stack.crop(name) for stack in maps.values()]
    sizes = [(crop.width_px, crop.height_px) for crop in crops if crop is not None]
    return {
        "name": name,
        "split": str(facts["split"]) if pd.notna(facts["split"]) else "",
        "thumbnail": photographs.thumbnail_uri(name),
        "size": sizes[0] if sizes else None,
        "crops": [crop.fractions if crop else None for crop in crops],
        "predictions": [_number(predictions.get((name, label), np.nan)) for label in maps],
        "maps": found,
        **{key: _number(facts[key]) for key in ("rating", "error", "consensus", "controversy")},
    }


def browser_payload(
    names: Sequence[str],
    facts: pd.DataFrame,
    averaged: pd.DataFrame,
    maps: dict[str, BackboneMaps],
    photographs: Photographs,
    advance: Callable[[int], None] = lambda n: None,
) -> dict[str, Any]:
    """Gather everything the image browser shows.

    Parameters
    ----------
    names : sequence of str
        The images, in the order of the study.
    facts : pandas.DataFrame
        Ratings, errors and consensus, as `image_facts` gives them.
    averaged : pandas.DataFrame
        Predictions, one row per image and backbone.
    maps : dict of str to BackboneMaps
        The maps by backbone.
    photographs : Photographs
        Where the thumbnails come from.
    advance : callable, optional
        Told after each image.

    Returns
    -------
    dict
        JSON-like, without NaN.
    """
    predictions = prediction_lookup(averaged)
    images = []
    by_name = facts.to_dict("index")
    for name in names:
        images.append(_one_image(name, by_name[name], predictions, maps, photographs))
        advance(1)
    return {
        "limit": LIMIT_SD,
        "opacity": OPACITY,
        "anchors": DIVERGING_ANCHORS,
        "backbones": list(maps),
        "kinds": [kind for kind in KINDS if any(kind in m.kinds for m in maps.values())],
        "images": images,
    }
