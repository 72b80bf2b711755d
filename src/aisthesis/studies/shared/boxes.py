"""What part of each photograph a network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from aisthesis.images import Transform

__all__ = ["Boxes", "crop_boxes", "seen_boxes", "seen_shares", "stored_boxes"]

#: By network: (N, 4) left, top, right, bottom of what it saw, in the photograph's pixels.
Boxes = dict[str, NDArray[np.float64]]

EDGES = ("left", "top", "right", "bottom")


def crop_boxes(
    sizes: Mapping[str, tuple[int, int]], transform: Transform, names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Give each image's size and what part of it the network sees, in original pixels."""
    chosen = [sizes[name] for name in names]
    boxes = np.array([transform.crop_box(*size) for size in chosen], dtype=np.float64)
    columns = dict(zip(EDGES, boxes.T, strict=True))
    crop = {f"crop_{edge}": values for edge, values in columns.items()}
    width, height = np.array(chosen, dtype=np.float64).T
    return crop | {"width_px": width, "height_px": height}


def seen_boxes(maps: Mapping[str, xr.DataArray]) -> Boxes | None:
    """What each network saw of each image, as stored maps say it; None where some do not."""
    boxes = {label: stored_boxes(one) for label, one in maps.items()}
    known = {label: one for label, one in boxes.items() if one is not None}
    return known if len(known) == len(boxes) else None


def stored_boxes(maps: xr.DataArray) -> NDArray[np.float64] | None:
    """What the network saw of each image, as its stored maps say it: (N, 4), or None."""
    names = [f"crop_{edge}" for edge in EDGES]
    if not all(name in maps.coords for name in names):
        return None
    boxes = np.stack([maps.coords[name].values for name in names], axis=1).astype(np.float64)
    return boxes if np.isfinite(boxes).all() else None


def seen_shares(
    sizes: Mapping[str, tuple[int, int]], transform: Transform, names: Sequence[str]
) -> dict[str, float]:
    """Give the share of the photographs' area that the network sees: mean, least and most."""
    shares = np.array([transform.seen_share(*sizes[name]) for name in names])
    return {"mean": float(shares.mean()), "min": float(shares.min()), "max": float(shares.max())}
