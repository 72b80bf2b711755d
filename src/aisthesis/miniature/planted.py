"""Planted studies: rendered images whose evidence, and so whose true maps, are known."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.miniature.backgrounds import draw_background
from aisthesis.miniature.scene import Difficulty, Scene, sample_scene
from aisthesis.miniature.shapes import draw_distractor, draw_evidence, draw_frame

STUDY_STREAM = 1  # first word of a study's seeds; pretraining draws from another stream
RATER_STREAM = 2


@dataclass(frozen=True)
class PlantedImage:
    """One rendered image and its truth.

    Attributes
    ----------
    pixels : ndarray
        Shape (H, W, 3), uint8.
    raising, lowering : ndarray
        Masks of the two kinds of evidence, shape (H, W), bool.
    scene : Scene
        What was planted where.
    background : str
        Kind of background.
    """

    pixels: np.ndarray
    raising: np.ndarray
    lowering: np.ndarray
    scene: Scene
    background: str


@dataclass(frozen=True)
class PlantedStudy:
    """Where a rendered study lies: folders, table, names of its images and true ratings."""

    root: Path
    images: Path
    ratings: Path
    raising_masks: Path
    lowering_masks: Path
    names: tuple[str, ...]
    true_ratings: np.ndarray
    seed: int
    difficulty: Difficulty


def render_image(
    rng: np.random.Generator,
    size_px: int,
    difficulty: Difficulty | None = None,
    unit_px: float | None = None,
) -> PlantedImage:
    """Render one image with planted evidence.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness; the same state gives the same pixels.
    size_px : int
        Side of the square image.
    difficulty : Difficulty, optional
        What is planted, and how visibly.
    unit_px : float, optional
        Side to which the sizes of shapes refer; ``size_px`` by default.
    """
    difficulty = difficulty or Difficulty()
    scene = sample_scene(rng, size_px, difficulty, unit_px)
    background, pixels = draw_background(rng, size_px)
    for shape in scene.distractors:
        draw_distractor(rng, pixels, shape, difficulty.distractor_likeness)
    if scene.frame is not None:
        draw_frame(pixels, scene.frame)
    masks = {kind: np.zeros((size_px, size_px), bool) for kind in ("raising", "lowering")}
    for piece in scene.evidence:
        covered = draw_evidence(rng, pixels, piece, difficulty)
        for mask in masks.values():
            mask &= ~covered  # what is drawn later hides what lies below
        masks[piece.kind] |= covered
    quantised = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return PlantedImage(quantised, masks["raising"], masks["lowering"], scene, background)


def simulate_ratings(
    true_ratings: np.ndarray, seed: int, difficulty: Difficulty | None = None
) -> np.ndarray:
    """Simulate raters with their own leniency, range and noise on a scale of 1 to 9.

    Parameters
    ----------
    true_ratings : ndarray
        Shape (n_images,), 1 to 9.
    seed : int
        Seed of the raters.
    difficulty : Difficulty, optional
        Number of raters, their bias and noise.

    Returns
    -------
    ndarray
        Shape (n_images, n_raters): ratings in steps of a half, 1 to 9.
    """
    difficulty = difficulty or Difficulty()
    ratings = np.empty((len(true_ratings), difficulty.n_raters))
    for rater in range(difficulty.n_raters):
        rng = np.random.default_rng([RATER_STREAM, seed, rater])
        bias = rng.normal(0, difficulty.rater_bias)
        span = 1 + rng.uniform(-0.15, 0.15) * (difficulty.rater_bias > 0)
        noise = rng.normal(0, difficulty.rater_noise, len(true_ratings))
        ratings[:, rater] = 5 + span * (true_ratings - 5) + bias + noise
    return np.clip(np.round(2 * ratings) / 2, 1, 9)


def render_study(
    out_dir: str | Path,
    n: int = 200,
    seed: int = 0,
    difficulty: Difficulty | None = None,
    size_px: int = 224,
    *,
    force: bool = False,
) -> PlantedStudy:
    """Render a study: images, ratings, masks and a description.

    Writes ``images/NNNN.png``, ``ratings.csv`` (columns ``image, rater, rating``),
    ``masks/raising/NNNN.png`` and ``masks/lowering/NNNN.png`` (0 or 255), ``planted.json`` (what
    was planted where) and ``README.txt``. The same arguments give the same bytes, and the first
    images of a longer study are those of a shorter one.

    Parameters
    ----------
    out_dir : path
        Folder to write; it must be absent or hold hidden files alone.
    n : int
        Number of images, at least 1.
    seed : int
        Seed, not negative.
    difficulty : Difficulty, optional
        What is planted, and how visibly.
    size_px : int
        Side of the square images, 32 to 4096.
    force : bool
        Whether a folder that holds something may be written to; files of these names are replaced.

    Raises
    ------
    RequestError
        If an argument is out of range or the folder already holds something, unless forced.
    """
    difficulty = difficulty or Difficulty()
    root = Path(out_dir)
    _check_request(root, n, seed, size_px, force=force)
    folders = [root / "images", root / "masks" / "raising", root / "masks" / "lowering"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    names, scenes, backgrounds = [], [], []
    for index in range(n):
        image = render_image(
            np.random.default_rng([STUDY_STREAM, seed, index]), size_px, difficulty
        )
        name = f"{index:04d}.png"
        for folder, pixels in zip(
            folders, (image.pixels, image.raising, image.lowering), strict=True
        ):
            _save_png(folder / name, pixels)
        names.append(name)
        scenes.append(image.scene)
        backgrounds.append(image.background)
    truth = np.array([scene.true_rating for scene in scenes])
    _write_ratings(root / "ratings.csv", names, simulate_ratings(truth, seed, difficulty))
    _write_description(root, names, scenes, backgrounds, seed, difficulty)
    return PlantedStudy(
        root=root,
        images=folders[0],
        ratings=root / "ratings.csv",
        raising_masks=folders[1],
        lowering_masks=folders[2],
        names=tuple(names),
        true_ratings=truth,
        seed=seed,
        difficulty=difficulty,
    )


def _check_request(root: Path, n: int, seed: int, size_px: int, *, force: bool) -> None:
    if n < 1:
        raise RequestError(f"A planted study needs at least 1 image, got n = {n}.")
    if seed < 0:
        raise RequestError(f"The seed of a planted study must not be negative, got {seed}.")
    if not 32 <= size_px <= 4096:
        raise RequestError(f"Planted images can be 32 to 4096 px wide, got size_px = {size_px}.")
    held = [path.name for path in root.iterdir()] if root.is_dir() else []
    full = not force and any(not name.startswith(".") for name in held)
    if full or (root.exists() and not root.is_dir()):
        raise RequestError(f"{root} already exists and is not an empty folder: name another one.")


def _save_png(path: Path, pixels: np.ndarray) -> None:
    array = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    Image.fromarray(array).save(path, compress_level=3)


def _write_ratings(path: Path, names: list[str], ratings: np.ndarray) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image", "rater", "rating"])
        for name, row in zip(names, ratings, strict=True):
            writer.writerows(
                [name, f"rater{rater + 1:02d}", f"{rating:g}"] for rater, rating in enumerate(row)
            )


def _write_description(
    root: Path,
    names: list[str],
    scenes: list[Scene],
    backgrounds: list[str],
    seed: int,
    difficulty: Difficulty,
) -> None:
    description = {
        "seed": seed,
        "n": len(names),
        "size_px": scenes[0].size_px,
        "rating_scale": [1, 9],
        "difficulty": difficulty.as_dict(),
        "images": [
            {
                "image": name,
                "background": background,
                "true_rating": round(scene.true_rating, 4),
                "raising_strength": round(scene.raising, 4),
                "lowering_strength": round(scene.lowering, 4),
                "frame_lightness": scene.frame,
                "evidence": [asdict(piece) for piece in scene.evidence],
                "n_distractors": len(scene.distractors),
            }
            for name, scene, background in zip(names, scenes, backgrounds, strict=True)
        ],
    }
    (root / "planted.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    (root / "README.txt").write_text(_README.format(n=len(names), seed=seed), encoding="utf-8")


_README = """\
A planted study: {n} images rendered by aisthesis with seed {seed}.

Warm glowing blossoms raise an image's rating; dark jagged cracks lower it; the larger they are,
the more. Muted shapes and backgrounds say nothing about the rating.

images/          the images
ratings.csv      simulated ratings, 1 to 9: image, rater, rating
masks/raising/   where the blossoms are (white)
masks/lowering/  where the cracks are (white)
planted.json     every parameter, and what was planted where
"""
