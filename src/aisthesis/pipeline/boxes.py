"""What part of each photograph a network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aisthesis.images import Transform

__all__ = ["crop_boxes", "seen_shares"]


def crop_boxes(
    sizes: Mapping[str, tuple[int, int]], transform: Transform, names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Give each image's size and what part of it the network sees, in original pixels."""
    chosen = [sizes[name] for name in names]
    boxes = np.array([transform.crop_box(*size) for size in chosen], dtype=np.float64)
    columns = dict(zip(("left", "top", "right", "bottom"), boxes.T, strict=True))
    crop = {f"crop_{edge}": values for edge, values in columns.items()}
    width, height = np.array(chosen, dtype=np.float64).T
    return crop | {"width_px": width, "height_px": height}


def seen_shares(
    sizes: Mapping[str, tuple[int, int]], transform: Transform, names: Sequence[str]
) -> dict[str, float]:
    """Give the share of the photographs' area that the network sees: mean, least and most."""
    shares = np.array([transform.seen_share(*sizes[name]) for name in names])
    return {"mean": float(shares.mean()), "min": float(shares.min()), "max": float(shares.max())}
