"""The command `aisthesis pair`: a figure, the maps beside it, and one line on what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aisthesis as ais
from aisthesis.cli.main import main

NAME = "miniature:vgg16"


@pytest.fixture
def two(tmp_path) -> list[str]:
    rng = np.random.default_rng(4)
    paths = [tmp_path / "wide.png", tmp_path / "tall $x$.png"]
    for path, shape in zip(paths, ((60, 90, 3), (90, 60, 3)), strict=True):
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(path)
    return [str(path) for path in paths]


def pair(two: list[str], out: Path | str, *rest: str) -> int:
    return main(["pair", *two, "--backbone", NAME, "--device", "cpu", "--out", str(out), *rest])


def test_the_figure_and_the_maps_are_written(two, tmp_path, capsys) -> None:
    out = tmp_path / "pair.png"
    assert pair(two, out, "--window", "3", "--replace", "mean") == 0
    assert capsys.readouterr().out == f"{out}\n"
    with Image.open(out) as figure:
        assert figure.format == "PNG"
        assert len(np.unique(np.asarray(figure.convert("RGB")).reshape(-1, 3), axis=0)) > 20
    exact = ais.explain_pair(ais.backbone(NAME), *two, window=3, replace="mean")
    with np.load(tmp_path / "pair.npz") as held:
        np.testing.assert_allclose(held["alikeness"], exact, atol=1e-7)
        assert held["images"].tolist() == ["wide.png", "tall $x$.png"]
        assert held["similarity"] == pytest.approx(exact.attrs["similarity"])
        assert (held["window"], held["replace"], held["layer"]) == (3, "mean", exact.attrs["layer"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["pair.npz", "pair.png", "tall $x$.png", "wide.png"]
    )


def test_files_of_others_are_left_alone_and_its_own_are_not(two, tmp_path, capsys) -> None:
    photograph = Path(two[0]).read_bytes()
    for taken in ("pair.png", "pair.npz"):
        (tmp_path / taken).write_bytes(photograph)
        assert pair(two, tmp_path / "pair.png") == 2
        assert f"{taken} is already there and was not written" in capsys.readouterr().err
        assert (tmp_path / taken).read_bytes() == photograph
        if taken == "pair.png":
            (tmp_path / taken).unlink()
    assert pair(two, tmp_path / "pair.png", "--force") == 0
    (tmp_path / "pair.npz").unlink()
    assert pair(two, tmp_path / "pair.png") == 0
    assert np.load(tmp_path / "pair.npz")["alikeness"].shape[0] == 2


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--out", "pair.jpg"], "expected the name of a .png file"),
        (["--out", "nowhere/pair.png"], "there is no folder nowhere"),
        (["--out", "{image}", "--force"], "is one of the two images"),
        (["--backbone", "miniature:vgg61"], "vgg16"),
        (["--layer", "features.99"], "features.99"),
        (["--layer", "none"], "predicts only"),
        (["--weights", "gone.pth"], "gone.pth"),
        (["--window", "2"], "expected window to be 1, 3, 5"),
        (["--window", "wide"], "expected window to be 1, 3, 5"),
        (["--device", "tpu"], "device: expected auto"),
    ],
)
def test_a_wrong_request_is_one_line(two, tmp_path, capsys, changed, words) -> None:
    changed = [word.format(image=two[0]) for word in changed]
    before = Path(two[0]).read_bytes()
    assert pair(two, tmp_path / "pair.png", *changed) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "pair.png").exists()
    assert Path(two[0]).read_bytes() == before


def test_images_that_cannot_be_read_are_named(two, tmp_path, capsys) -> None:
    assert pair([two[0], str(tmp_path / "gone.png")], tmp_path / "pair.png") == 2
    assert "gone.png is not in the image folder" in capsys.readouterr().err
    assert main(["pair", two[0], "--backbone", NAME, "--out", str(tmp_path / "pair.png")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
