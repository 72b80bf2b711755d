"""Scores of a map against a mask: is what is sought where the map is high?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.maps.aligned import aligned

__all__ = ["LOCALISATION_SCORES", "Maps", "Masks", "mass_inside", "pixel_auc", "pointing_game"]

Maps = NDArray[np.floating]
Masks = NDArray[np.bool_]


def _paired(maps: Any, masks: Any) -> tuple[Maps, Masks]:
    """Maps and masks in the order of the maps' images, as arrays."""
    same = aligned({"maps": maps, "masks": masks}).arrays
    maps, masks = (np.asarray(same[name]) for name in ("maps", "masks"))
    if maps.ndim != 3 or masks.shape != maps.shape or masks.dtype != np.bool_:
        raise RequestError(
            f"Localisation needs maps (N, H, W) and boolean masks of the same shape, got maps "
            f"{maps.shape} and masks {masks.shape} of {masks.dtype}; upsample the maps to the "
            "masks' grid."
        )
    return maps, masks


def pointing_game(maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """Say for each image whether the map's highest pixel lies inside the mask.

    Parameters
    ----------
    maps : ndarray
        Shape (N, H, W).
    masks : ndarray
        Shape (N, H, W), bool.

    Returns
    -------
    ndarray
        Shape (N,): 1 for a hit and 0 for a miss; where several pixels are highest, the share of
        them inside, which is what choosing among them at random gives. NaN where the mask is
        empty or the map not finite.

    References
    ----------
    Zhang et al., Top-down neural attention by excitation backprop, IJCV 2018.
    """
    maps, masks = _paired(maps, masks)
    scores = np.full(len(maps), np.nan)
    for index, (one, mask) in enumerate(zip(maps, masks, strict=True)):
        if mask.any() and np.isfinite(one).all():
            scores[index] = mask[one == one.max()].mean()
    return scores


def mass_inside(maps: Maps, masks: Masks) -> NDArray[np.float64]:
    """Share of each map's positive values that lies inside the mask, 0 to 1.

    Parameters
    ----------
    maps : ndarray
        Shape (N, H, W); give the negated maps for the negative share.
    masks : ndarray
        Shape (N, H, W), bool.

    Returns
    -------
    ndarray
        Shape (N,); NaN where the mask is empty, the map not finite or nowhere positive.
    """
    maps, masks = _paired(maps, masks)
    inside, total = np.empty((2, len(maps)))
    for index, (one, mask) in enumerate(zip(maps, masks, strict=True)):  # one fits into the cache
        positive = np.maximum(one, 0).astype(np.float64)
        inside[index], total[index] = positive[mask].sum(), positive.sum()
    defined = masks.any((1, 2)) & np.isfinite(total) & (total > 0)
    return np.where(defined, inside / np.where(defined, total, 1), np.nan)


def pixel_auc(maps: Maps, masks: Masks, in_order: Maps | None = None) -> NDArray[np.float64]:
    """Probability that a pixel inside the mask has a higher value than one outside.

    The area under the ROC curve of the map as a classifier of pixels; ties count a half, so a
    uniform map has .5.

    Parameters
    ----------
    maps : ndarray
        Shape (N, H, W).
    masks : ndarray
        Shape (N, H, W), bool.
    in_order : ndarray, optional
        Shape (N, H * W): the values of each map from the lowest to the highest, where they are at
        hand; to bring them into order takes most of the time.

    Returns
    -------
    ndarray
        Shape (N,), 0 to 1; NaN where the mask is empty or full or the map not finite.

    References
    ----------
    Mann & Whitney, On a test of whether one of two random variables is stochastically larger than
    the other, Annals of Mathematical Statistics 1947.
    """
    maps, masks = _paired(maps, masks)
    scores = np.full(len(maps), np.nan)
    for index, (one, mask) in enumerate(zip(maps, masks, strict=True)):
        if mask.any() and not mask.all() and np.isfinite(one).all():
            every = np.sort(one, axis=None) if in_order is None else in_order[index]
            inside = np.sort(one[mask])  # looking up values in their order is several times faster
            below, not_above = (np.searchsorted(every, inside, side) for side in ("left", "right"))
            # Pairs within the mask count in both sums: its pixels squared, whatever their values.
            total = int(below.sum()) + int(not_above.sum()) - inside.size**2
            scores[index] = total / (2 * inside.size * (every.size - inside.size))
    return scores


LOCALISATION_SCORES: dict[str, Callable[[Maps, Masks], NDArray[np.float64]]] = {
    "pointing": pointing_game,
    "mass": mass_inside,
    "auc": pixel_auc,
}
