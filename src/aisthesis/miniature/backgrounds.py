"""Varied backgrounds: gradients, clouds, stripes, plaid and pebbles in muted colours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image

Array = np.ndarray


def muted_colour(rng: np.random.Generator) -> Array:
    """Return an RGB colour of low saturation and middling lightness, shape (3,), 0 to 1."""
    hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.05, 0.4), rng.uniform(0.35, 0.75)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), dtype=np.float32)


def smooth_noise(rng: np.random.Generator, size_px: int, cells: int) -> Array:
    """Return noise with about ``cells`` bumps across, shape (size_px, size_px), 0 to 1."""
    coarse = rng.uniform(0, 1, (cells, cells)).astype(np.float32)
    image = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image), 0, 1)


def _gradient(rng: np.random.Generator, size_px: int) -> Array:
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    return np.clip(0.5 + (x * np.cos(angle) + y * np.sin(angle)) / 1.4, 0, 1)


def _clouds(rng: np.random.Generator, size_px: int) -> Array:
    layers = [(int(rng.integers(3, 6)), 0.6), (11, 0.25), (29, 0.15)]
    return sum(
        (weight * smooth_noise(rng, size_px, cells) for cells, weight in layers),
        np.zeros((size_px, size_px), np.float32),
    )


def _stripes(rng: np.random.Generator, size_px: int) -> Array:
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px
    angle, waves = rng.uniform(0, np.pi), rng.uniform(4, 16)
    phase = rng.uniform(0, 2 * np.pi)
    return 0.5 + 0.5 * np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)


def _plaid(rng: np.random.Generator, size_px: int) -> Array:
    along = np.arange(size_px, dtype=np.float32) / size_px
    waves, phases = rng.uniform(3, 9, 2), rng.uniform(0, 2 * np.pi, 2)
    rows, columns = (np.sin(2 * np.pi * waves[k] * along + phases[k]) > 0 for k in (0, 1))
    return 0.5 * rows[:, None] + 0.5 * columns[None, :]


def _pebbles(rng: np.random.Generator, size_px: int) -> Array:
    noise = smooth_noise(rng, size_px, int(rng.integers(9, 20)))
    return 1 / (1 + np.exp(-14 * (noise - 0.5)))


BACKGROUNDS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "gradient": _gradient,
    "clouds": _clouds,
    "stripes": _stripes,
    "plaid": _plaid,
    "pebbles": _pebbles,
}


def draw_background(rng: np.random.Generator, size_px: int) -> tuple[str, Array]:
    """Draw a background.

    Returns
    -------
    kind : str
        A key of ``BACKGROUNDS``.
    pixels : ndarray
        Shape (size_px, size_px, 3), float32, 0 to 1.
    """
    kind = str(rng.choice(list(BACKGROUNDS)))
    blend = BACKGROUNDS[kind](rng, size_px).astype(np.float32)[..., None]
    first, second = muted_colour(rng), muted_colour(rng)
    grain = rng.normal(0, rng.uniform(0, 0.03), (size_px, size_px, 1)).astype(np.float32)
    pixels = first * (1 - blend) + second * blend + grain
    return kind, np.clip(pixels, 0, 1)
