from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.miniature import Difficulty, render_image, render_study, simulate_ratings


def digests(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        render_study(tmp_path / name, n=4, seed=seed, size_px=96)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    other = digests(tmp_path / "c")
    for name, digest in digests(tmp_path / "a").items():
        if name.startswith("images") or name == "ratings.csv":  # masks may be empty in both
            assert other[name] != digest


def test_a_longer_study_begins_with_the_shorter(tmp_path: Path) -> None:
    short = render_study(tmp_path / "short", n=3, size_px=64)
    long = render_study(tmp_path / "long", n=5, size_px=64)
    for name in short.names:
        assert (short.images / name).read_bytes() == (long.images / name).read_bytes()
    table = pd.read_csv(long.ratings)
    pd.testing.assert_frame_equal(table[: 3 * 8], pd.read_csv(short.ratings))


def test_what_a_study_folder_holds(tmp_path: Path) -> None:
    study = render_study(tmp_path / "s", n=6, seed=1, size_px=80, difficulty=Difficulty(n_raters=3))
    table = pd.read_csv(study.ratings)
    assert list(table.columns) == ["image", "rater", "rating"]
    assert len(table) == 18
    assert table["rating"].between(1, 9).all()
    told = json.loads((study.root / "planted.json").read_text())
    assert [entry["image"] for entry in told["images"]] == list(study.names)
    for folder in (study.raising_masks, study.lowering_masks):
        for name in study.names:
            with Image.open(folder / name) as mask:
                assert (mask.mode, mask.size) == ("L", (80, 80))
                assert set(np.unique(np.asarray(mask))) <= {0, 255}
    with Image.open(study.images / study.names[0]) as image:
        assert (image.mode, image.size) == ("RGB", (80, 80))


def test_masks_are_where_the_evidence_was_planted() -> None:
    seen = {"raising": 0, "lowering": 0}
    for k in range(30):
        image = render_image(np.random.default_rng([7, k]), 128)
        masks = {"raising": image.raising, "lowering": image.lowering}
        assert not (image.raising & image.lowering).any()
        for kind, mask in masks.items():
            pieces = [piece for piece in image.scene.evidence if piece.kind == kind]
            assert mask.any() == bool(pieces)
            for piece in pieces:
                seen[kind] += 1
                assert mask[round(piece.y_px), round(piece.x_px)]
    assert min(seen.values()) > 10


def test_blossoms_are_warm_and_bright_and_cracks_dark() -> None:
    for k in range(20):
        image = render_image(np.random.default_rng([8, k]), 128, Difficulty(max_raising=1))
        red, blue = image.pixels[..., 0].astype(int), image.pixels[..., 2].astype(int)
        if image.raising.any():
            assert (red - blue)[image.raising].mean() > 60
        if image.lowering.any():
            around = ~(image.raising | image.lowering)
            assert red[image.lowering].mean() < red[around].mean()


def test_without_contrast_nothing_is_to_be_seen() -> None:
    visible, hidden = (
        render_image(np.random.default_rng(21), 64, Difficulty(contrast=contrast))
        for contrast in (1.0, 0.0)
    )
    plain = render_image(np.random.default_rng(21), 64, Difficulty(contrast=0.0))
    assert visible.scene == hidden.scene
    assert visible.scene.evidence
    assert (visible.pixels != hidden.pixels).any()
    np.testing.assert_array_equal(hidden.pixels, plain.pixels)


def test_raters_differ_and_agree_as_asked() -> None:
    truth = np.random.default_rng(0).uniform(2.5, 7.5, 400)
    exact = simulate_ratings(truth, 0, Difficulty(rater_noise=0, rater_bias=0))
    assert np.abs(exact - truth[:, None]).max() <= 0.25
    noisy = simulate_ratings(truth, 0, Difficulty(rater_noise=1.0, rater_bias=0.8, n_raters=30))
    leniency = (noisy - truth[:, None]).mean(0)
    assert 0.4 < leniency.std() < 1.2
    assert 0.7 < (noisy - truth[:, None] - leniency).std() < 1.1
    assert np.corrcoef(noisy.mean(1), truth)[0, 1] > 0.98
    first_two = simulate_ratings(truth, 0, Difficulty(rater_noise=1.0, rater_bias=0.8, n_raters=2))
    np.testing.assert_array_equal(first_two, noisy[:, :2])


def test_two_hundred_images_take_less_than_ten_seconds_of_work(tmp_path: Path) -> None:
    started = time.process_time()
    render_study(tmp_path / "timed", n=40)
    assert time.process_time() - started < 2  # a fifth of the images, a fifth of the time


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "at least 1 image, got n = 0"),
        ({"seed": -1}, "must not be negative, got -1"),
        ({"size_px": 8}, "32 to 4096 px wide, got size_px = 8"),
    ],
)
def test_impossible_studies_are_refused(
    tmp_path: Path, arguments: dict[str, int], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        render_study(tmp_path / "s", **arguments)
    assert not (tmp_path / "s").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="not an empty folder"):
        render_study(tmp_path, n=1)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
