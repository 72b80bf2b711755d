"""Drawing of evidence and distractors onto an image, each with the mask it covers."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from aisthesis.miniature.backgrounds import muted_colour
from aisthesis.miniature.scene import Difficulty, Distractor, Evidence

Array = np.ndarray
SUPERSAMPLING = 2
MASK_OPACITY = 0.3  # a pixel belongs to the evidence from this share of its full opacity

CRACK_HALO = 1 / 75  # of the side: strokes this thin are seen with what surrounds them


def _window(x_px: float, y_px: float, reach_px: float, size_px: int) -> tuple[slice, slice]:
    """Return the rows and columns within ``reach_px`` of a point, kept inside the image."""
    top, bottom = int(max(y_px - reach_px, 0)), int(min(y_px + reach_px + 1, size_px))
    left, right = int(max(x_px - reach_px, 0)), int(min(x_px + reach_px + 1, size_px))
    return slice(top, max(bottom, top)), slice(left, max(right, left))


def draw_blossom(rng: np.random.Generator, pixels: Array, piece: Evidence, opacity: float) -> Array:
    """Draw a warm glowing blossom in place; return its mask, shape (H, W), bool."""
    size_px, radius = pixels.shape[0], piece.radius_px
    rows, columns = _window(piece.x_px, piece.y_px, 1.5 * radius, size_px)
    y, x = np.mgrid[rows, columns].astype(np.float32)
    dx, dy = x - piece.x_px, y - piece.y_px
    distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    petals, phase = int(rng.integers(5, 9)), rng.uniform(0, 2 * np.pi)
    edge = radius * (0.78 + 0.22 * np.cos(petals * angle + phase))
    body = np.clip((edge - distance) / 2 + 0.5, 0, 1)
    glow = 0.45 * np.exp(-0.5 * (np.maximum(distance - edge, 0) / (0.22 * radius)) ** 2)
    hue = rng.uniform(0.02, 0.12)
    outer = np.array(colorsys.hsv_to_rgb(hue, 0.95, 1.0), np.float32)
    inner = np.array(colorsys.hsv_to_rgb(hue + 0.05, 0.35, 1.0), np.float32)
    towards_rim = np.clip(distance / np.maximum(edge, 1e-3), 0, 1)[..., None]
    colour = inner * (1 - towards_rim) + outer * towards_rim
    alpha = (opacity * np.maximum(body, glow)).astype(np.float32)[..., None]
    pixels[rows, columns] = pixels[rows, columns] * (1 - alpha) + colour * alpha
    mask = np.zeros((size_px, size_px), bool)
    mask[rows, columns] = body > MASK_OPACITY
    return mask


def _jagged_path(
    rng: np.random.Generator, start: Array, angle: float, length: float, steps: int
) -> list[tuple[float, float]]:
    """Return the corners of a jagged line from ``start`` that keeps its general direction."""
    points = [(float(start[0]), float(start[1]))]
    for _ in range(steps):
        turned = angle + rng.uniform(-0.8, 0.8)
        stride = length / steps * rng.uniform(0.8, 1.2)
        x, y = points[-1]
        points.append((x + stride * float(np.cos(turned)), y + stride * float(np.sin(turned))))
    return points


def draw_shatter(rng: np.random.Generator, pixels: Array, piece: Evidence, opacity: float) -> Array:
    """Draw dark jagged cracks from one point, in place; return their mask, (H, W), bool."""
    size_px, radius = pixels.shape[0], piece.radius_px
    canvas = Image.new("L", (size_px * SUPERSAMPLING,) * 2)
    pen = ImageDraw.Draw(canvas)
    width = max(2, round(SUPERSAMPLING * radius * 0.14))
    centre = np.array([piece.x_px, piece.y_px]) * SUPERSAMPLING
    branches, turn = int(rng.integers(6, 9)), rng.uniform(0, 2 * np.pi)
    for branch in range(branches):
        angle = turn + 2 * np.pi * branch / branches + rng.uniform(-0.2, 0.2)
        length = radius * SUPERSAMPLING * rng.uniform(0.85, 1.1)
        path = _jagged_path(rng, centre, angle, length, 4)
        pen.line(path, fill=255, width=width, joint="curve")
        fork = _jagged_path(rng, np.array(path[2]), angle + rng.choice([-0.9, 0.9]), length / 3, 2)
        pen.line(fork, fill=255, width=max(2, width // 2))
    small = canvas.resize((size_px, size_px), Image.Resampling.BOX)
    ink = np.asarray(small, dtype=np.float32) / 255
    alpha = (opacity * ink)[..., None]
    colour = np.array([0.04, 0.03, 0.06], np.float32)
    pixels[...] = pixels * (1 - alpha) + colour * alpha
    halo_px = 2 * round(size_px * CRACK_HALO) + 1
    widened = Image.fromarray((ink > MASK_OPACITY).astype(np.uint8))
    return np.asarray(widened.filter(ImageFilter.MaxFilter(halo_px))) > 0


def draw_evidence(
    rng: np.random.Generator, pixels: Array, piece: Evidence, difficulty: Difficulty
) -> Array:
    """Draw one piece of evidence in place; return its mask, shape (H, W), bool."""
    opacity = difficulty.contrast * (0.75 + 0.25 * piece.strength)
    draw = draw_blossom if piece.kind == "raising" else draw_shatter
    return draw(rng, pixels, piece, opacity)


def draw_distractor(
    rng: np.random.Generator, pixels: Array, shape: Distractor, likeness: float
) -> None:
    """Draw one distractor in place; ``likeness`` moves its colour towards the evidence's."""
    size_px, radius = pixels.shape[0], shape.radius_px
    rows, columns = _window(shape.x_px, shape.y_px, 1.5 * radius, size_px)
    y, x = np.mgrid[rows, columns].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    dx, dy = x - shape.x_px, y - shape.y_px
    across = dx * np.cos(turn) + dy * np.sin(turn)
    along = dy * np.cos(turn) - dx * np.sin(turn)
    inside = np.clip(0.5 - _signed_distance(shape.kind, across, along, radius) / 1.5, 0, 1)
    warm_or_dark = np.array([[1.0, 0.55, 0.1], [0.05, 0.04, 0.07]], np.float32)[rng.integers(2)]
    colour = (1 - likeness) * muted_colour(rng) + likeness * warm_or_dark
    alpha = (rng.uniform(0.7, 1.0) * inside).astype(np.float32)[..., None]
    pixels[rows, columns] = pixels[rows, columns] * (1 - alpha) + colour * alpha


def _signed_distance(kind: str, across: Array, along: Array, radius: float) -> Array:
    """Approximate distance to a shape's edge in pixels, negative inside."""
    if kind == "square":
        return np.maximum(np.abs(across), np.abs(along)) - 0.8 * radius
    if kind == "triangle":
        return np.maximum(np.abs(across) * 0.866 + along * 0.5, -along) - 0.55 * radius
    if kind == "ring":
        return np.abs(np.hypot(across, along) - 0.75 * radius) - 0.2 * radius
    if kind == "cross":
        bar = np.minimum(np.abs(across), np.abs(along)) - 0.22 * radius
        return np.maximum(bar, np.maximum(np.abs(across), np.abs(along)) - 0.9 * radius)
    return np.hypot(across, along) - 0.85 * radius


def draw_frame(pixels: Array, lightness: float) -> None:
    """Draw the shortcut in place: a frame whose lightness (0 to 1) follows the rating."""
    width = max(1, round(0.07 * pixels.shape[0]))
    inner = pixels[width:-width, width:-width].copy()
    pixels[...] = lightness
    pixels[width:-width, width:-width] = inner
