"""What is planted in an image: a seeded, declarative scene, before any pixel is drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np

from aisthesis.errors import RequestError

Kind = Literal["raising", "lowering"]
DISTRACTOR_KINDS = ("disc", "square", "triangle", "ring", "cross")
MARGIN = 0.06  # fraction of the side kept free, so that a centre crop keeps the evidence
PLACING_ATTEMPTS = 40
OUTWARDS = 0.4  # exponent of the distance from the middle, 1: evenly spread


@dataclass(frozen=True)
class Difficulty:
    """How hard a planted study is; every parameter has a name and a range.

    Parameters
    ----------
    contrast : float
        Opacity of the evidence, 0 (invisible) to 1.
    size : float
        Multiplies the radius of the evidence, 0.2 to 2; at 1 a blossom of full strength has a
        radius of 0.17 of the image's side.
    max_raising, max_lowering : int
        Largest number of pieces of raising and lowering evidence in one image, 0 to 6; the
        number is drawn evenly from zero up to it.
    distractors : float
        Mean number of distractor shapes in one image (Poisson), 0 to 30.
    distractor_likeness : float
        0 keeps the distractors' colours muted; 1 gives them the colours of the evidence.
    position_bias : float
        0 spreads evidence evenly; towards 1 it gathers in the middle of the image.
    shortcut : float
        Correlation-like strength, 0 to 1, with which the lightness of the image's frame follows
        the rating. The frame is no evidence and in no mask.
    n_raters : int
        Simulated raters, each of whom rates each image, 1 to 200.
    rater_noise : float
        SD of a rater's noise, in points of the rating scale (1 to 9), 0 to 5.
    rater_bias : float
        SD over raters of their leniency, in points of the rating scale, 0 to 5.

    Raises
    ------
    RequestError
        If a parameter lies outside its range.
    """

    contrast: float = 1.0
    size: float = 1.0
    max_raising: int = 3
    max_lowering: int = 2
    distractors: float = 3.0
    distractor_likeness: float = 0.0
    position_bias: float = 0.0
    shortcut: float = 0.0
    n_raters: int = 8
    rater_noise: float = 0.7
    rater_bias: float = 0.4

    def __post_init__(self) -> None:
        faults = [
            f"{field.name} = {getattr(self, field.name)!r} (expected {low:g} to {high:g})"
            for field in fields(self)
            for low, high in [_RANGES[field.name]]
            if not low <= getattr(self, field.name) <= high
        ]
        if faults:
            raise RequestError(f"Difficulty of a planted study out of range: {'; '.join(faults)}.")

    def as_dict(self) -> dict[str, float]:
        """Return the parameters by name."""
        return asdict(self)


_RANGES: dict[str, tuple[float, float]] = {
    "contrast": (0, 1),
    "size": (0.2, 2),
    "max_raising": (0, 6),
    "max_lowering": (0, 6),
    "distractors": (0, 30),
    "distractor_likeness": (0, 1),
    "position_bias": (0, 1),
    "shortcut": (0, 1),
    "n_raters": (1, 200),
    "rater_noise": (0, 5),
    "rater_bias": (0, 5),
}


@dataclass(frozen=True)
class Evidence:
    """One planted piece of evidence; positions and radius in pixels, strength 0.3 to 1."""

    kind: Kind
    x_px: float
    y_px: float
    radius_px: float
    strength: float


@dataclass(frozen=True)
class Distractor:
    """One shape that says nothing about the rating; position and radius in pixels."""

    kind: str
    x_px: float
    y_px: float
    radius_px: float


@dataclass(frozen=True)
class Scene:
    """The contents of one image.

    ``raising`` and ``lowering`` are the summed strengths of its evidence; ``frame`` is the
    lightness of its frame (0 to 1), or None where the study has no shortcut.
    """

    size_px: int
    evidence: tuple[Evidence, ...]
    distractors: tuple[Distractor, ...]
    frame: float | None

    @property
    def raising(self) -> float:
        """Summed strength of the raising evidence."""
        return sum(piece.strength for piece in self.evidence if piece.kind == "raising")

    @property
    def lowering(self) -> float:
        """Summed strength of the lowering evidence."""
        return sum(piece.strength for piece in self.evidence if piece.kind == "lowering")

    @property
    def true_rating(self) -> float:
        """The rating, 1 to 9, that a rater without bias and noise gives."""
        return float(np.clip(4.5 + 1.7 * self.raising - 1.9 * self.lowering, 1.0, 9.0))


def sample_scene(
    rng: np.random.Generator, size_px: int, difficulty: Difficulty, unit_px: float | None = None
) -> Scene:
    """Draw the contents of one image.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    size_px : int
        Side of the square image.
    difficulty : Difficulty
        What is planted, and how visibly.
    unit_px : float, optional
        Side to which sizes refer; ``size_px`` by default. A larger unit gives a close-up.
    """
    unit = float(size_px if unit_px is None else unit_px)
    evidence: list[Evidence] = []
    kinds: list[Kind] = ["raising"] * int(rng.integers(0, difficulty.max_raising + 1))
    kinds += ["lowering"] * int(rng.integers(0, difficulty.max_lowering + 1))
    for kind in kinds:
        piece = _place(rng, kind, size_px, unit, difficulty, evidence)
        if piece is not None:
            evidence.append(piece)
    distractors = tuple(
        Distractor(
            kind=str(rng.choice(DISTRACTOR_KINDS)),
            x_px=float(rng.uniform(0, size_px)),
            y_px=float(rng.uniform(0, size_px)),
            radius_px=float(unit * rng.uniform(0.05, 0.14)),
        )
        for _ in range(int(rng.poisson(difficulty.distractors)))
    )
    scene = Scene(size_px, tuple(evidence), distractors, None)
    if difficulty.shortcut == 0:
        return scene
    told = (scene.true_rating - 1) / 8
    lightness = difficulty.shortcut * told + (1 - difficulty.shortcut) * rng.uniform()
    return Scene(size_px, scene.evidence, scene.distractors, float(lightness))


def _place(
    rng: np.random.Generator,
    kind: Kind,
    size_px: int,
    unit_px: float,
    difficulty: Difficulty,
    placed: list[Evidence],
) -> Evidence | None:
    """Find a free place for a piece of evidence; None where the image is full."""
    strength = float(rng.uniform(0.3, 1.0))
    # Area, not radius, is proportional to strength: what a viewer sees at a glance.
    full_radius = 0.17 if kind == "raising" else 0.19
    radius = unit_px * full_radius * difficulty.size * float(np.sqrt(strength))
    low = min(MARGIN * size_px + radius, size_px / 2)
    half_width = (size_px / 2 - low) * (1 - difficulty.position_bias)
    for _ in range(PLACING_ATTEMPTS):
        away = rng.uniform(-1, 1, 2)
        # Whole shapes cannot lie on the border, so even positions would favour the middle and
        # a map of a mere centre bias would look right; the root moves them outwards.
        x, y = size_px / 2 + half_width * np.sign(away) * np.abs(away) ** OUTWARDS
        if all(
            np.hypot(x - other.x_px, y - other.y_px) > 0.95 * (radius + other.radius_px)
            for other in placed
        ):
            return Evidence(kind, float(x), float(y), radius, strength)
    return None
