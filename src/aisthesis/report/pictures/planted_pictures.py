"""Photographs with the known evidence outlined: what was planted, and what each backbone saw."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import maximum_filter

from aisthesis.errors import AisthesisError
from aisthesis.faithfulness import load_masks, pixel_auc
from aisthesis.images import Transform
from aisthesis.maps.resample import upsample
from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.folder.selection import EVIDENCE
from aisthesis.report.folder.stored_maps import BackboneMaps, CropBox
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.report.words.colour_words import full_colour
from aisthesis.report.words.wording import same_number

__all__ = [
    "Planted",
    "PlantedImage",
    "PlantedMap",
    "map_aucs",
    "outlined",
    "planted_pictures",
]

SIDES = ("raising", "lowering")
CHOOSING_PX = 56  # side of the grid on which images are ranked
SIDE_PX = 300


class Masks(NamedTuple):
    """Masks of evidence on what a network saw of each image, (N, H, W), bool."""

    raising: np.ndarray
    lowering: np.ndarray


@dataclass(frozen=True)
class PlantedMap:
    """One backbone's map with the evidence outlined; AUC is NaN where it is not defined.

    `scale` says what value has the strongest colour.
    """

    label: str
    picture: Image.Image | None
    auc: float
    scale: str


@dataclass(frozen=True)
class PlantedImage:
    """One image, why it was chosen, and every backbone's map of it."""

    name: str
    why: str
    picture: Image.Image
    maps: list[PlantedMap]


@dataclass(frozen=True)
class Planted:
    """What was planted.

    Attributes
    ----------
    n : int
        Images with masks.
    n_raising, n_lowering : int
        Images with evidence of that sign.
    area : float
        Mean share of the crop that raising evidence covers, where there is some.
    images : list of PlantedImage
        Those on which it is found best, middling and worst.
    kind : str
        The kind of map shown, whose sign says what raises the rating: by place if all have it.
    """

    n: int
    n_raising: int
    n_lowering: int
    area: float
    images: list[PlantedImage]
    kind: str = EVIDENCE[-1]


def planted_pictures(
    record: StudyRecord, photographs: Photographs, whole: Collection[str] | None = None
) -> Planted | None:
    """Outline the known evidence on three images, chosen by how well the maps find it.

    Parameters
    ----------
    record : StudyRecord
        A study; one without masks or evidence maps gives None, as do masks that are not there
        any more.
    photographs : Photographs
        The photographs.
    whole : collection of str, optional
        Images that may be shown; all by default.
    """
    folder = record.config.get("masks")
    stacks = {b: stack for b, stack in record.maps.items() if set(EVIDENCE) & set(stack.kinds)}
    kind = next((k for k in EVIDENCE if all(k in one.kinds for one in stacks.values())), None)
    if not folder or not stacks or kind is None or not Path(folder).is_dir():
        return None
    first = next(iter(stacks.values()))
    names, sizes = list(first.images), first.sizes_px
    try:
        transforms = {b: _transform(record.provenance, b) for b in stacks}
        # Each network's masks are those of what it saw; most networks saw the same.
        of_view = {
            transform: Masks(
                *(load_masks(Path(folder) / side, names, transform, sizes) for side in SIDES)
            )
            for transform in set(transforms.values())
        }
    except (AisthesisError, KeyError, TypeError):
        return None
    masks = {label: of_view[transform] for label, transform in transforms.items()}
    raising, lowering = next(iter(masks.values()))
    present = raising.any((1, 2))
    chosen = _choose(names, stacks, masks, names if whole is None else whole, kind)
    return Planted(
        len(names),
        int(present.sum()),
        int(lowering.any((1, 2)).sum()),
        float(raising[present].mean()) if present.any() else float("nan"),
        [_one(k, name, why, stacks, photographs, masks, kind) for k, name, why in chosen],
        kind,
    )


def _transform(provenance: dict[str, Any], label: str) -> Transform:
    return Transform(**provenance["backbones"][label]["transform"])


def map_aucs(stack: BackboneMaps, names: list[str], masks: np.ndarray, kind: str) -> np.ndarray:
    """Pixel AUC of a backbone's maps on the masks' grid: (N,), NaN where not defined."""
    found = np.full(len(names), np.nan)
    for k, name in enumerate(names):
        values = stack.get(kind, name)
        if values is not None and masks[k].any():
            pixels = upsample(torch.from_numpy(values[None]).double(), masks.shape[1:])
            found[k] = pixel_auc(pixels.numpy(), masks[k][None])[0]
    return found


def _choose(
    names: list[str],
    stacks: dict[str, BackboneMaps],
    masks: dict[str, Masks],
    whole: Collection[str],
    kind: str,
) -> list[tuple[int, str, str]]:
    aucs = np.stack(
        [map_aucs(stack, names, _coarse(masks[b].raising), kind) for b, stack in stacks.items()]
    )
    # Where a network has no map, the mean over networks would be one over others.
    allowed = np.array([name in whole for name in names])
    known = np.flatnonzero(np.isfinite(aucs).all(axis=0) & allowed)
    if not len(known):
        return []
    mean = aucs[:, known].mean(axis=0)
    order = known[np.argsort(-mean, kind="stable")]
    if same_number(float(mean.min()), float(mean.max())):
        why = "found as well as every other" if len(order) > 1 else "the one that can be shown"
        return [(int(order[0]), names[order[0]], why)]
    middle = {len(order) // 2: "found middling well"} if len(order) > 2 else {}
    places = {0: "found best", **middle, len(order) - 1: "found worst"}
    return [(int(order[k]), names[order[k]], why) for k, why in places.items()]


def _coarse(masks: np.ndarray) -> np.ndarray:
    step = max(1, masks.shape[1] // CHOOSING_PX)
    return masks[:, ::step, ::step]


def _one(
    k: int,
    name: str,
    why: str,
    stacks: dict[str, BackboneMaps],
    photographs: Photographs,
    masks: dict[str, Masks],
    kind: str,
) -> PlantedImage:
    photo = photographs.get(name)
    first = next(iter(stacks))
    crop = stacks[first].crop(name)
    maps = []
    for label, stack in stacks.items():
        raising, lowering = masks[label].raising[k], masks[label].lowering[k]
        values = stack.get(kind, name)
        picture = None
        if values is not None:
            laid = lay_over(photo, values, stack.crop(name), SIDE_PX)
            picture = outlined(laid, stack.crop(name) if photo else None, raising, lowering)
        auc = float(map_aucs(stack, [name], raising[None], kind)[0])
        maps.append(PlantedMap(label, picture, auc, full_colour(values)))
    ground = photo.convert("RGB") if photo else Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
    scale = SIDE_PX / max(ground.size)
    ground = ground.resize(
        (round(ground.width * scale), round(ground.height * scale)), Image.Resampling.LANCZOS
    )
    raising, lowering = masks[first].raising[k], masks[first].lowering[k]
    return PlantedImage(
        name, why, outlined(ground, crop if photo else None, raising, lowering), maps
    )


def outlined(
    picture: Image.Image, crop: CropBox | None, raising: np.ndarray, lowering: np.ndarray
) -> Image.Image:
    """Draw the edges of the masks, which cover the crop: raising solid, lowering dotted.

    Both are black within white, so that they stand out from every colour of a map.
    """
    x, y, w, h = crop.fractions if crop else (0.0, 0.0, 1.0, 1.0)
    left, top = round(x * picture.width), round(y * picture.height)
    size = (max(1, round(w * picture.width)), max(1, round(h * picture.height)))
    pixels = np.asarray(picture).copy()
    part = pixels[max(top, 0) : top + size[1], max(left, 0) : left + size[0]]
    # What of the masks lies on the picture: the crop may reach beyond it.
    here = np.s_[max(-top, 0) :, max(-left, 0) :]
    rows, columns = np.indices(part.shape[:2])
    dots = (rows + columns) // 4 % 2 == 0
    for mask, shown in ((raising, np.ones_like(dots)), (lowering, dots)):
        resized = Image.fromarray(mask.astype(np.uint8) * 255).resize(
            size, Image.Resampling.BILINEAR
        )
        inside = (np.asarray(resized) > 127).astype(np.uint8)
        line, halo = (
            (maximum_filter(inside, k) > inside)[here][: part.shape[0], : part.shape[1]]
            for k in (5, 7)
        )
        part[halo & shown] = 255
        part[line & shown] = 20
    return Image.fromarray(pixels)
