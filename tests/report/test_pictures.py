"""Maps lie where the network saw them, on one scale, in the page and in the figures."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from aisthesis.maps.resample import upsample
from aisthesis.maps.standardise import z_score
from aisthesis.report.folder.stored_maps import BackboneMaps, CropBox, differing_crops
from aisthesis.report.pictures.browser_data import encode_map
from aisthesis.report.pictures.examples import choose_examples, image_facts
from aisthesis.report.pictures.overlays import colour_bar_css, lay_over, map_moments
from aisthesis.report.pictures.photographs import Photographs, PhotographStore


def test_backbones_with_another_crop_are_named():
    def stack(label: str, left: float) -> BackboneMaps:
        box = CropBox(left, 0, left + 100, 100, 200, 100)
        return BackboneMaps(label, ("x",), {"ais": np.zeros((1, 2, 2), np.float32)}, (box,))

    maps = {"a": stack("a", 50), "b": stack("b", 50.5), "c": stack("c", 60)}
    assert differing_crops(maps) == ["c"]
    assert differing_crops({}) == []


def bump(h: int, w: int, y: int, x: int) -> np.ndarray:
    values = np.zeros((h, w), dtype=np.float32)
    values[y, x] = 1.0
    return values


def test_a_map_covers_the_crop_and_nothing_else():
    photo = Image.new("RGB", (400, 200), (90, 90, 90))
    crop = CropBox(100, 0, 300, 200, 400, 200)
    picture = np.asarray(lay_over(photo, bump(8, 8, 1, 6), crop, side_px=400)).astype(int)
    redness = picture[..., 0] - picture[..., 2]
    assert (redness[:, :100] == 0).all()
    assert (redness[:, 300:] == 0).all()
    y, x = np.argwhere(redness > 30).mean(axis=0)
    # The centre of cell (1, 6) of 8 over the crop's 200 px is (37.5, 162.5), from 100 px on.
    assert y == pytest.approx(37.5, abs=4)
    assert x == pytest.approx(262.5, abs=4)


def test_signs_have_their_colours():
    photo = Image.new("RGB", (64, 64), (128, 128, 128))
    values = np.zeros((4, 4), dtype=np.float32)
    values[0, 0], values[3, 3] = 1, -1
    picture = np.asarray(lay_over(photo, values, None, side_px=64)).astype(int)
    assert picture[2, 2, 0] > picture[2, 2, 2] + 60
    assert picture[61, 61, 2] > picture[61, 61, 0] + 60
    assert abs(picture[32, 32, 0] - picture[32, 32, 2]) <= 2


def test_without_a_photograph_the_map_is_on_white():
    picture = np.asarray(lay_over(None, np.zeros((3, 3), np.float32), None, side_px=32))
    assert (picture == 255).all()


def test_the_colour_bar_has_white_in_the_middle():
    stops = colour_bar_css().split("rgb(")[1:]
    assert stops[len(stops) // 2].startswith("255 255 255")


@pytest.mark.parametrize("shape", [(14, 14), (7, 7), (1, 1), (5, 9), (300, 300)])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_moments_are_those_of_the_pixels(shape, scale):
    values = np.random.default_rng(3).normal(0.3, 1, shape).astype(np.float32) * np.float32(scale)
    pixels = upsample(torch.from_numpy(values).double(), 224)
    found = map_moments(values)
    assert found.mean == pytest.approx(float(pixels.mean()), rel=1e-9)
    assert found.sd == pytest.approx(float(pixels.std(correction=0)), rel=1e-6, abs=1e-9 * scale)
    assert found.flat == bool(z_score(pixels)[1])


def test_constant_maps_are_flat():
    assert map_moments(np.full((7, 7), 0.1, np.float32)).flat
    assert map_moments(np.zeros((7, 7), np.float32)).flat


def test_an_encoded_map_is_the_map():
    values = np.random.default_rng(0).normal(0, 5, (6, 9)).astype(np.float32)
    code, (unit, mean, sd) = encode_map(values)
    steps = np.frombuffer(code, "<i2").reshape(6, 9)
    np.testing.assert_allclose(steps * unit, values, atol=np.abs(values).max() / 60000)
    moments = map_moments(values)
    assert (mean, sd) == pytest.approx((moments.mean, moments.sd), rel=1e-6)
    assert encode_map(np.full((3, 3), 2.0, np.float32))[1][2] == 0.0


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(3):
        noise = rng.integers(0, 255, (500, 900, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"<{k}>.png")
    return Photographs(folder)


NAMES = ["<0>.png", "<1>.png", "<2>.png"]


def test_photographs_lie_inside_or_beside_the_page(photos, tmp_path, monkeypatch):
    inline = PhotographStore(photos, NAMES, tmp_path, "inline").put(NAMES[0])
    assert inline.address == "inline"
    with Image.open(io.BytesIO(base64.b64decode(inline.base64))) as image:
        assert max(image.size) == 400
    beside = PhotographStore(photos, NAMES, tmp_path, "folder")
    stored = [beside.put(name) for name in [*NAMES, "gone.png"]]
    assert [one.address for one in stored] == [
        "report-photographs/00000.jpg", "report-photographs/00001.jpg",
        "report-photographs/00002.jpg", None,
    ]  # fmt: skip
    assert all(one.base64 == "" for one in stored)
    with Image.open(tmp_path / stored[2].address) as image:
        assert max(image.size) == 640
    PhotographStore(photos, NAMES, tmp_path, "inline")
    assert not (tmp_path / "report-photographs").exists(), "stale photographs stay behind"


def test_photographs_go_beside_the_page_where_they_would_make_it_heavy(
    photos, tmp_path, monkeypatch
):
    assert PhotographStore(photos, NAMES, tmp_path, "auto").inline
    size = len(PhotographStore(photos, NAMES, tmp_path, "inline").put(NAMES[0]).base64)
    monkeypatch.setattr("aisthesis.report.pictures.photographs.MOST_INLINE_BYTES", 2.5 * size)
    assert not PhotographStore(photos, NAMES, tmp_path, "auto").inline
    assert PhotographStore(photos, NAMES, tmp_path, "inline").inline


def facts_of(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    names = [f"i{k:03d}" for k in range(n)]
    averaged = pd.DataFrame({"image": names, "backbone": "a", "split": "test",
                             "rating": rng.uniform(0, 100, n), "prediction": 50.0})  # fmt: skip
    consensus = pd.DataFrame({"consensus": rng.normal(size=n), "controversy": 0.1}, index=names)
    return image_facts(names, averaged, consensus)


def test_examples_are_chosen_by_their_rules_and_once():
    facts = facts_of(30)
    chosen = choose_examples(facts)
    by_rule = {why: example.image for example in chosen for why in example.why.split("; ")}
    assert len({example.image for example in chosen}) == len(chosen) == 6
    assert by_rule["networks agree most (AIS maps)"] == facts["consensus"].idxmax()
    assert by_rule["networks agree least (AIS maps)"] == facts["consensus"].idxmin()
    assert by_rule["highest human rating"] == facts["rating"].idxmax()
    assert by_rule["lowest human rating"] == facts["rating"].idxmin()
    assert by_rule["largest prediction error"] == facts["error"].idxmax()


def test_an_image_that_two_rules_give_says_both_and_the_place_goes_to_a_next_one():
    facts = facts_of(30)
    facts.loc[facts["consensus"].idxmax(), "rating"] = 101.0
    chosen = choose_examples(facts)
    assert chosen[0].why == "networks agree most (AIS maps); highest human rating"
    assert chosen[-1].why == "next: networks agree most (AIS maps)"
    assert chosen[-1].image == facts["consensus"].nlargest(2).index[1]


def test_rules_about_a_value_that_all_images_share_give_none():
    facts = facts_of(8).assign(rating=50.0, consensus=0.3)
    assert {example.why.removeprefix("next: ") for example in choose_examples(facts)} <= {
        "largest prediction error", "in the order of the study"
    }  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_images_are_all_chosen(n):
    facts = facts_of(30).iloc[:n]
    assert {example.image for example in choose_examples(facts)} == set(facts.index)


def test_images_without_any_fact_are_chosen_in_order():
    averaged = pd.DataFrame(columns=["image", "backbone", "split", "rating", "prediction"])
    facts = image_facts(["x", "y"], averaged, pd.DataFrame(columns=["consensus", "controversy"]))
    assert [example.image for example in choose_examples(facts)] == ["x", "y"]


def test_photographs_that_cannot_be_shown_are_named(tmp_path):
    Image.new("RGB", (2000, 1000)).save(tmp_path / "large.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path.parent / "secret.png").write_bytes(b"")
    photographs = Photographs(tmp_path)
    assert photographs.get("large.png").size == (640, 320)
    for name in ("broken.jpg", "gone.jpg", "../secret.png"):
        assert photographs.get(name) is None
        assert photographs.thumbnail_uri(name) is None
    assert "leads out of the image folder" in photographs.unreadable["../secret.png"]
    assert set(photographs.unreadable) == {"broken.jpg", "gone.jpg", "../secret.png"}
