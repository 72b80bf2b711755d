"""What the page needs to browse images: facts as JSON, maps and photographs as blobs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.maps.colour import DIVERGING_ANCHORS, stated_limit
from aisthesis.report.folder.selection import DIVIDED, prediction_lookup
from aisthesis.report.folder.stored_maps import GRID_PX, KINDS, BackboneMaps, kinds_of
from aisthesis.report.parts.dividing import divided_from
from aisthesis.report.pictures.overlays import LIMIT_SD, OPACITY, map_moments
from aisthesis.report.pictures.photographs import PhotographStore
from aisthesis.report.words.colour_words import RELATIVE, meaning, unit_of
from aisthesis.report.words.wording import KIND_NAMES

__all__ = ["Blob", "BrowserContent", "browser_content", "encode_map"]

FULL_SCALE = 32767  # of a 16-bit integer
#: Other explainers' maps, in the page's text; where they take more only some images have them.
MOST_BYTES = 12_000_000


@dataclass(frozen=True)
class Blob:
    """What is heavy about one image, in base64; the page decodes it when it is looked at.

    Attributes
    ----------
    maps : str
        Little-endian int16, row by row: every map of the image, kind by kind and within a kind
        backbone by backbone; a missing map takes no room.
    photograph : str
        JPEG; empty where the photograph lies in a file or is not available.
    """

    maps: str
    photograph: str


@dataclass(frozen=True)
class BrowserContent:
    """Everything the image browser shows.

    Attributes
    ----------
    data : dict
        JSON-like, without NaN.
    blobs : list of Blob
        One an image, in the order of `data["images"]`.
    """

    data: dict[str, Any]
    blobs: list[Blob]


def encode_map(values: np.ndarray) -> tuple[bytes, list[float]]:
    """Encode a finite map (y × x) as 16-bit integers, with what the page needs of it.

    Returns
    -------
    bytes
        Little-endian int16, row by row.
    list of float
        The value of one step; mean and SD over the pixel grid, SD 0 for a flat map.
    """
    largest = float(np.abs(values).max())
    unit = largest / FULL_SCALE or 1.0
    steps = np.rint(values.astype(np.float64) / unit).astype("<i2")
    moments = map_moments(values)
    # Seven digits keep the z-scores exact to what the 16 bits hold.
    facts = [unit, moments.mean, 0.0 if moments.flat else moments.sd]
    return steps.tobytes(), [float(f"{value:.7g}") for value in facts]


def _number(value: Any) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    # Ratings may be of any size: small ones keep four digits that say something.
    return round(float(value), 4) if abs(value) >= 0.01 else float(f"{value:.4g}")


def _maps_of(
    name: str, maps: dict[str, BackboneMaps], kinds: Sequence[str]
) -> tuple[str, dict[str, list[list[float] | None]]]:
    parts: list[bytes] = []
    facts: dict[str, list[list[float] | None]] = {}
    for kind in kinds:
        facts[kind] = []
        for stack in maps.values():
            values = stack.get(kind, name)
            if values is None:
                facts[kind].append(None)
            else:
                encoded, own = encode_map(values)
                parts.append(encoded)
                facts[kind].append(own)
    return base64.b64encode(b"".join(parts)).decode("ascii"), facts


def _crops_of(name: str, maps: dict[str, BackboneMaps]) -> list[list[float] | None]:
    """Give the crop of every backbone, or a single one where all are the same."""
    crops = [
        None if (crop := stack.crop(name)) is None else [round(f, 4) for f in crop.fractions]
        for stack in maps.values()
    ]
    return crops[:1] if all(crop == crops[0] for crop in crops) else crops


def _size_of(name: str, maps: dict[str, BackboneMaps]) -> list[float] | None:
    crops = (stack.crop(name) for stack in maps.values())
    crop = next((crop for crop in crops if crop is not None), None)
    return None if crop is None else [crop.width_px, crop.height_px]


def _shapes(
    maps: dict[str, BackboneMaps], kinds: Sequence[str]
) -> dict[str, list[list[int] | None]]:
    """Rows and columns by kind and backbone; None where a backbone has no such maps."""
    return {
        kind: [
            list(stack.kinds[kind].shape[1:]) if kind in stack.kinds else None
            for stack in maps.values()
        ]
        for kind in kinds
    }


def _limits_of(
    name: str, maps: dict[str, BackboneMaps], kinds: Sequence[str]
) -> dict[str, list[float | None]]:
    """The value of each map that has the strongest colour; None where there is nothing to see."""
    limits: dict[str, list[float | None]] = {}
    for kind in kinds:
        found = [stack.get(kind, name) for stack in maps.values()]
        limits[kind] = [None if v is None or not v.any() else stated_limit(v) for v in found]
    return limits


def images_with_others(names: Sequence[str], maps: dict[str, BackboneMaps]) -> set[str]:
    """Images whose maps by other explainers the page has room for, spread over the study."""
    cells = sum(
        int(np.prod(values.shape[1:]))
        for stack in maps.values()
        for kind, values in stack.kinds.items()
        if kind not in KINDS
    )
    bytes_an_image = cells * 2 * 4 / 3  # 16 bits, in base64
    room = len(names) if not cells else int(MOST_BYTES / bytes_an_image)
    if room >= len(names):
        return set(names)
    return {names[k] for k in np.linspace(0, len(names) - 1, max(room, 1)).round().astype(int)}


def _facts_of(facts: dict[str, dict[Hashable, dict[Hashable, Any]]], name: str) -> dict[str, Any]:
    """Give what is known of an image: once, or by kind of map where it depends on it."""
    by_kind = {kind: table[name] for kind, table in facts.items()}
    one = next(iter(by_kind.values()))
    split = one["split"]
    return {
        "split": str(split) if pd.notna(split) else "",
        **{key: _number(one[key]) for key in ("rating", "error")},
        **{
            key: {kind: _number(own[key]) for kind, own in by_kind.items()}
            for key in ("consensus", "controversy")
        },
        "divided": {kind: _number(own[DIVIDED]) for kind, own in by_kind.items()},
    }


def browser_content(
    names: Sequence[str],
    facts: dict[str, pd.DataFrame],
    averaged: pd.DataFrame,
    maps: dict[str, BackboneMaps],
    store: PhotographStore,
    advance: Callable[[int], None] = lambda n: None,
) -> BrowserContent:
    """Gather everything the image browser shows.

    Parameters
    ----------
    names : sequence of str
        The images, in the order of the study.
    facts : dict of str to pandas.DataFrame
        By kind of map, as `image_facts` gives it; kinds of maps that are not compared between
        backbones have none.
    averaged : pandas.DataFrame
        Predictions, one row per image and backbone.
    maps : dict of str to BackboneMaps
        The maps by backbone.
    store : PhotographStore
        Where the photographs go: into the page or beside it.
    advance : callable, optional
        Told after each image.

    Returns
    -------
    BrowserContent
        Facts and blobs.
    """
    kinds = kinds_of(maps)
    own = [kind for kind in kinds if kind in KINDS]
    all_kinds = images_with_others(names, maps)
    predictions = prediction_lookup(averaged)
    by_kind = {kind: facts[kind].to_dict("index") for kind in kinds if kind in facts}
    images, blobs = [], []
    for name in names:
        shown = kinds if name in all_kinds else own
        encoded, moments = _maps_of(name, maps, shown)
        photograph = store.put(name)
        images.append({
            "name": name,
            "photograph": photograph.address,
            "size": _size_of(name, maps),
            "crops": _crops_of(name, maps),
            "predictions": [_number(predictions.get((name, label), np.nan)) for label in maps],
            "maps": moments,
            "limits": _limits_of(name, maps, shown),
            **_facts_of(by_kind, name),
        })  # fmt: skip
        blobs.append(Blob(encoded, photograph.base64))
        advance(1)
    data = {
        "grid": GRID_PX,
        "meanings": {kind: meaning(kind) for kind in kinds},
        "units": {kind: unit_of(kind) for kind in kinds},
        "relative": RELATIVE,
        "limit": LIMIT_SD,
        "opacity": OPACITY,
        "anchors": DIVERGING_ANCHORS,
        "backbones": list(maps),
        "shapes": _shapes(maps, kinds),
        "kinds": kinds,
        "names": {kind: KIND_NAMES.get(kind, kind) for kind in kinds},
        "withOthers": len(all_kinds),
        "dividedFrom": divided_from(len(names)) - 1e-9,
        "images": images,
    }
    return BrowserContent(data, blobs)
