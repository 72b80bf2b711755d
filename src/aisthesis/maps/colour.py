"""Signed maps in colour: red above zero, white at zero, blue below."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.maps.standardise import FLAT_TOLERANCE

__all__ = [
    "DIVERGING_ANCHORS",
    "overlay",
    "signed_rgba",
    "stated_limit",
    "symmetric_limit",
]


#: RGB at equal steps from -limit to +limit: the blue and red arms of ColorBrewer's RdBu, which
#: readers with any common colour deficiency tell apart, around pure white.
DIVERGING_ANCHORS: tuple[tuple[int, int, int], ...] = (
    (5, 48, 97),
    (33, 102, 172),
    (67, 147, 195),
    (146, 197, 222),
    (209, 229, 240),
    (255, 255, 255),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (178, 24, 43),
    (103, 0, 31),
)


def symmetric_limit(maps: NDArray[np.floating], quantile: float = 1.0) -> float:
    """Largest magnitude to colour, so that zero stays in the middle of the scale.

    Parameters
    ----------
    maps
        Maps of any shape that shall share one colour scale.
    quantile
        Share of the magnitudes that lies within the limit; 1 takes the largest, .99 lets the
        strongest hundredth saturate.

    Returns
    -------
    float
        Positive; 1.0 where no finite value differs from zero.
    """
    if not 0 < quantile <= 1:
        raise RequestError(f"expected a quantile in (0, 1], got {quantile}; give for example 0.99")
    values = np.asarray(maps, dtype=np.float64)
    magnitudes = np.abs(values[np.isfinite(values)])
    if not magnitudes.size:
        return 1.0
    # Where all but a few values are zero, so is the quantile, but not the limit.
    limit = float(np.quantile(magnitudes, quantile)) or float(magnitudes.max())
    return limit if limit > 0 else 1.0


def stated_limit(maps: NDArray[np.floating]) -> float:
    """Limit of a colour scale that can be said in two digits and is then exactly what was used.

    Parameters
    ----------
    maps
        Maps of any shape that shall share one colour scale.

    Returns
    -------
    float
        `symmetric_limit`, rounded up to two significant digits.
    """
    exact = Decimal(symmetric_limit(maps))
    step = Decimal((0, (1,), exact.adjusted() - 1))
    rounded = float(exact.quantize(step, rounding=ROUND_CEILING))
    return rounded if math.isfinite(rounded) else float(exact)


def signed_rgba(
    maps: NDArray[np.floating],
    limit: float | None = None,
    *,
    opacity: float = 1.0,
    fade: bool = False,
    relative_to_mean: bool = False,
) -> NDArray[np.uint8]:
    """Colour signed maps: positive red, negative blue, zero white, limits symmetric.

    The colours are those of the values themselves, so a map of one sign has one hue.

    Parameters
    ----------
    maps
        (..., H, W) signed maps.
    limit
        Magnitude that gets the strongest colour; larger ones saturate. Default: the largest
        finite magnitude of all `maps` together.
    opacity
        Alpha of a pixel of full strength, 0 to 1.
    fade
        Let alpha grow in proportion to the magnitude, so that a photograph below shows through
        where the map is near zero.
    relative_to_mean
        Colour what lies above (red) and below (blue) each map's own mean over its finite pixels
        instead, whatever the sign of the values; `limit` then holds for the distance from it.

    Returns
    -------
    ndarray
        (..., H, W, 4) uint8; pixels that are not finite are fully transparent.
    """
    if not 0 <= opacity <= 1:
        raise RequestError(f"expected an opacity from 0 to 1, got {opacity}")
    values = np.asarray(maps, dtype=np.float64)
    if relative_to_mean:
        values = _less_the_mean(values)
    if limit is None:
        limit = symmetric_limit(values)
    if not (np.isfinite(limit) and limit > 0):
        raise RequestError(f"expected a positive colour limit, got {limit}")
    finite = np.isfinite(values)
    strength = np.clip(np.where(finite, values, 0.0) / limit, -1.0, 1.0)
    anchors = np.asarray(DIVERGING_ANCHORS, dtype=np.float64)
    positions = np.linspace(-1.0, 1.0, len(anchors))
    channels = [np.interp(strength, positions, anchors[:, channel]) for channel in range(3)]
    alpha = np.where(finite, 255.0 * opacity * (np.abs(strength) if fade else 1.0), 0.0)
    return np.rint(np.stack([*channels, alpha], axis=-1)).astype(np.uint8)


def _less_the_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take each map's mean over its finite pixels from it; flat maps become zeros."""
    finite = np.isfinite(values)
    shown = np.where(finite, values, 0.0)
    count = np.maximum(finite.sum(axis=(-2, -1), keepdims=True), 1)
    mean = (shown / count).sum(axis=(-2, -1), keepdims=True)
    largest, furthest = (
        np.abs(np.where(finite, one, 0.0)).max(axis=(-2, -1), keepdims=True, initial=0.0)
        for one in (shown, shown - mean)
    )
    centred = np.where(furthest <= FLAT_TOLERANCE * largest, 0.0, shown - mean)
    return np.where(finite, centred, np.nan)


def overlay(
    photograph: NDArray[np.uint8],
    maps: NDArray[np.floating],
    limit: float | None = None,
    *,
    opacity: float = 0.75,
    fade: bool = True,
    relative_to_mean: bool = False,
) -> NDArray[np.uint8]:
    """Lay coloured signed maps over a photograph.

    Parameters
    ----------
    photograph
        (H, W, 3) uint8 RGB, the crop that the network saw, or (..., H, W, 3), one for each map.
    maps
        (..., H, W) signed maps on the photograph's pixel grid.
    limit, opacity, fade, relative_to_mean
        As in `signed_rgba`.

    Returns
    -------
    ndarray
        (..., H, W, 3) uint8 RGB.
    """
    photo = np.asarray(photograph)
    values = np.asarray(maps)
    if photo.dtype != np.uint8 or photo.ndim < 3 or photo.shape[-1] != 3:
        raise RequestError(
            f"expected a photograph of uint8 RGB, (..., H, W, 3), got {photo.dtype} of shape "
            f"{photo.shape}; convert it to RGB first"
        )
    if photo.shape[-3:-1] != values.shape[-2:]:
        raise RequestError(
            f"expected maps on the photograph's grid {photo.shape[-3:-1]}, got "
            f"{values.shape[-2:]}; upsample them first"
        )
    rgba = signed_rgba(
        values, limit, opacity=opacity, fade=fade, relative_to_mean=relative_to_mean
    ).astype(np.float64)
    alpha = rgba[..., 3:] / 255.0
    return np.rint(alpha * rgba[..., :3] + (1.0 - alpha) * photo).astype(np.uint8)
