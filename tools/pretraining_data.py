"""Rendered images to pretrain the miniatures on, and the statements they learn to judge.

The statements are about kinds, numbers and cover of what is in an image. None of them is the
rating: that weighs blossoms against cracks, and no network sees it before a study's head does.
Seeds come from a stream that no study draws from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aisthesis.miniature import Difficulty, PlantedImage, render_image
from aisthesis.miniature.backgrounds import BACKGROUNDS
from aisthesis.miniature.scene import DISTRACTOR_KINDS

PRETRAINING_STREAM = 3
VALIDATION_STREAM = 4
COVER_STEPS = {"raising": (0.03, 0.06, 0.10), "lowering": (0.01, 0.02, 0.035)}
NUMBER_STEPS = (1, 2, 3)

STATEMENTS = (
    *(f"at least {n} pieces {kind}" for kind in COVER_STEPS for n in NUMBER_STEPS),
    *(f"{kind} covers {share:.1%}" for kind, steps in COVER_STEPS.items() for share in steps),
    *(f"a {kind}" for kind in DISTRACTOR_KINDS),
    *(f"on {kind}" for kind in BACKGROUNDS),
)
#: The first statements are about evidence, the others about what says nothing of the rating.
ABOUT_EVIDENCE = len(COVER_STEPS) * (len(NUMBER_STEPS) + len(COVER_STEPS["raising"]))


@dataclass(frozen=True)
class Rendered:
    """Images (N, 3, S, S) uint8, statements (N, len(STATEMENTS)) and true ratings (N,)."""

    images: np.ndarray
    statements: np.ndarray
    ratings: np.ndarray


def statements(image: PlantedImage) -> np.ndarray:
    """Return which statements hold, float32, in the order of STATEMENTS."""
    scene = image.scene
    masks = {"raising": image.raising, "lowering": image.lowering}
    held: list[bool] = []
    for kind in COVER_STEPS:
        count = sum(piece.kind == kind for piece in scene.evidence)
        held += [count >= n for n in NUMBER_STEPS]
    for kind, steps in COVER_STEPS.items():
        held += [bool(masks[kind].mean() >= share) for share in steps]
    present = {shape.kind for shape in scene.distractors}
    held += [kind in present for kind in DISTRACTOR_KINDS]
    held += [image.background == kind for kind in BACKGROUNDS]
    return np.array(held, np.float32)


def render(n: int, size_px: int, seed: int, stream: int, varied: bool) -> Rendered:
    """Render ``n`` images; ``varied`` draws each one's difficulty at random."""
    images = np.empty((n, 3, size_px, size_px), np.uint8)
    held = np.empty((n, len(STATEMENTS)), np.float32)
    ratings = np.empty(n)
    for index in range(n):
        rng = np.random.default_rng([stream, seed, size_px, index])
        difficulty = _some_difficulty(rng, size_px) if varied else Difficulty()
        # A study's images are enlarged a little before they are cropped to 224 px, so the
        # networks must know the shapes at 1 to 1.2 times their size.
        unit_px = rng.uniform(224, 270) if varied else 256
        image = render_image(rng, size_px, difficulty, unit_px)
        images[index] = image.pixels.transpose(2, 0, 1)
        held[index], ratings[index] = statements(image), image.scene.true_rating
    return Rendered(images, held, ratings)


def _some_difficulty(rng: np.random.Generator, size_px: int) -> Difficulty:
    roomy = size_px > 160
    return Difficulty(
        contrast=rng.uniform(0.5, 1.0),
        size=rng.uniform(0.7, 1.1),
        max_raising=3 if roomy else 2,
        max_lowering=3 if roomy else 2,
        distractors=3.0 if roomy else 1.5,
        distractor_likeness=rng.uniform(0, 0.5),
    )
