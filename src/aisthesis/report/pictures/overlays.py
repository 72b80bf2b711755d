"""One map over its photograph: the values themselves, white at zero, on a scale that is said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageOps

from aisthesis.maps.colour import DIVERGING_ANCHORS, overlay, stated_limit
from aisthesis.maps.resample import interpolation_matrix, upsample
from aisthesis.maps.standardise import FLAT_TOLERANCE, z_score
from aisthesis.report.folder.stored_maps import GRID_PX, CropBox

__all__ = [
    "LIMIT_SD",
    "OPACITY",
    "MapMoments",
    "colour_bar_css",
    "lay_over",
    "map_moments",
    "photograph_ground",
]

LIMIT_SD = 3.0  # z-score that gets the strongest colour where a map is shown about its mean
OPACITY = 0.9
GROUND_WHITE = 0.5  # share of white mixed into the grey photograph below a map


@dataclass(frozen=True)
class MapMoments:
    """Mean and population SD of a map on the pixel grid; flat maps have no z-scores."""

    mean: float
    sd: float
    flat: bool


@lru_cache(maxsize=64)
def _grid_weights(cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and Gram matrix of the interpolation along one axis: (cells,) and (cells, cells)."""
    matrix = interpolation_matrix(cells, GRID_PX).numpy()
    return matrix.mean(axis=0), matrix.T @ matrix / GRID_PX


def map_moments(values: np.ndarray) -> MapMoments:
    """Measure a finite map (y × x) as it is on the pixel grid, without going there.

    The interpolation is linear, M -> U M V', so the pixels' mean square is
    trace(M' U'U M V'V) over their number.
    """
    largest = float(np.abs(values).max())
    if largest == 0:
        return MapMoments(0.0, 0.0, True)
    scaled = values.astype(np.float64) / largest
    (mean_y, gram_y), (mean_x, gram_x) = (_grid_weights(n) for n in values.shape)
    mean = float(mean_y @ scaled @ mean_x)
    centred = scaled - mean
    variance = float(((gram_y @ centred) * (centred @ gram_x)).sum())
    sd = max(variance, 0.0) ** 0.5
    return MapMoments(mean * largest, sd * largest, sd <= FLAT_TOLERANCE)


def photograph_ground(photograph: Image.Image) -> Image.Image:
    """Turn a photograph into the pale grey ground on which colours can only come from a map."""
    grey = ImageOps.grayscale(photograph).convert("RGB")
    return Image.blend(grey, Image.new("RGB", grey.size, "white"), GROUND_WHITE)


def lay_over(
    photograph: Image.Image | None,
    values: np.ndarray,
    crop: CropBox | None,
    side_px: int = 256,
    *,
    limit: float | None = None,
    relative_to_mean: bool = False,
) -> Image.Image:
    """Lay a map over the part of the photograph that the network saw.

    Red is above zero, blue below it, and zero lets the photograph through.

    Parameters
    ----------
    photograph : PIL.Image.Image or None
        The upright photograph; without one the map is shown on white.
    values : numpy.ndarray
        The map at the layer's resolution, y × x.
    crop : CropBox or None
        Where the map lies; None: over the whole photograph.
    side_px : int
        Longer side of the result.
    limit : float, optional
        Magnitude that gets the strongest colour, in the unit of the map. Default: the map's
        `stated_limit`, its largest magnitude rounded up to two digits, as captions say it.
    relative_to_mean : bool
        Show z-scores instead, as maps are compared: red above the map's mean and blue below it,
        whatever the sign of the values. `limit` is then in SDs, by default `LIMIT_SD`.

    Returns
    -------
    PIL.Image.Image
        RGB; outside the crop the grey photograph is dimmed.
    """
    if photograph is None:
        ground, crop = Image.new("RGB", (side_px, side_px), "white"), None
    else:
        ground = photograph_ground(photograph)
        scale = side_px / max(ground.size)
        size = (max(1, round(ground.width * scale)), max(1, round(ground.height * scale)))
        ground = ground.resize(size, Image.Resampling.LANCZOS)
    x, y, w, h = crop.fractions if crop else (0.0, 0.0, 1.0, 1.0)
    left, top = round(x * ground.width), round(y * ground.height)
    width, height = max(1, round(w * ground.width)), max(1, round(h * ground.height))
    strength = _strength(values, limit, relative_to_mean)
    on_photo = np.asarray(
        Image.fromarray(strength).resize((width, height), Image.Resampling.BILINEAR)
    )
    box = (left, top, left + width, top + height)
    below = np.asarray(ground.crop(box))
    coloured = overlay(below, on_photo, 1.0, opacity=OPACITY, fade=True)
    result = Image.blend(ground, Image.new("RGB", ground.size, "white"), 0.55)
    result.paste(Image.fromarray(coloured), (left, top))
    return result


def _strength(values: np.ndarray, limit: float | None, relative_to_mean: bool) -> np.ndarray:
    """Bring a map to the pixel grid, in parts of the strongest colour: (224, 224) float32."""
    pixels = upsample(torch.from_numpy(np.ascontiguousarray(values)).double(), GRID_PX)
    if relative_to_mean:
        pixels, limit = z_score(pixels)[0], LIMIT_SD if limit is None else limit
    elif limit is None:
        limit = stated_limit(values)
    strength: np.ndarray = (pixels.numpy() / limit).astype(np.float32)
    return strength


def colour_bar_css() -> str:
    """Give the colour scale, faded over white as over a photograph, as a CSS gradient."""
    positions = np.linspace(-1.0, 1.0, len(DIVERGING_ANCHORS))
    stops = []
    for position, anchor in zip(positions, DIVERGING_ANCHORS, strict=True):
        alpha = OPACITY * abs(position)
        mixed = [round(alpha * c + (1 - alpha) * 255) for c in anchor]
        stops.append(f"rgb({mixed[0]} {mixed[1]} {mixed[2]})")
    return f"linear-gradient(to right, {', '.join(stops)})"
