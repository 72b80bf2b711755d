"""Pictures show the values themselves: a map of one sign has one hue, and what is said is used."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from aisthesis.report.charts.drawing import AN_INCH, SMALL
from aisthesis.report.charts.figures import drawn_png
from aisthesis.report.charts.letters import text_width
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.folder.stored_maps import CropBox
from aisthesis.report.pictures.figure_pictures import ExampleRow, draw_examples
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import map_data_uri
from aisthesis.report.words.colour_words import full_colour, limit_text, meaning, unit_of
from aisthesis.report.write import write_report

PHOTO = Image.effect_noise((300, 200), 90).convert("RGB")
CROP = CropBox(50, 0, 250, 200, 300, 200)


def hue(pixels: np.ndarray) -> np.ndarray:
    """Red less blue."""
    return pixels[..., 0].astype(int) - pixels[..., 2]


def uneven(side: int = 7) -> np.ndarray:
    """A positive map, far from its mean in places and near zero in others."""
    return (np.random.default_rng(1).random((side, side)) ** 4 + 1e-4).astype(np.float32)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("scale", [1e-20, 0.02, 1e6])
def test_an_overlay_of_one_sign_has_one_hue(sign, scale):
    values = sign * scale * uneven()
    for photo, crop in ((PHOTO, CROP), (PHOTO, None), (None, None)):
        found = sign * hue(np.asarray(lay_over(photo, values, crop)))
        assert found.min() >= 0
        assert found.max() > 60
    about_mean = sign * hue(np.asarray(lay_over(PHOTO, values, CROP, relative_to_mean=True)))
    assert about_mean.min() < -20 < 60 < about_mean.max()


def test_zero_is_neutral_and_the_limit_is_the_strongest_colour():
    values = np.zeros((8, 8), np.float32)
    values[:4] = -2.0
    picture = hue(np.asarray(lay_over(PHOTO, values, None, 200)))
    assert (picture[-40:] == 0).all()
    strong = lay_over(None, np.full((3, 3), 0.5, np.float32), None, limit=0.5)
    stronger = lay_over(None, np.full((3, 3), 9.0, np.float32), None, limit=0.5)
    assert strong.tobytes() == stronger.tobytes()
    half = lay_over(None, np.full((3, 3), 0.25, np.float32), None, limit=0.5)
    assert hue(np.asarray(half)).max() < hue(np.asarray(strong)).max()


def test_the_encoded_picture_keeps_the_sign():
    for sign in (-1, 1):
        uri = map_data_uri(lay_over(PHOTO, sign * uneven(14), CROP))
        with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as image:
            assert (sign * hue(np.asarray(image))).min() >= 0


def test_scales_are_said_in_two_digits():
    said = {0.43: "0.43", 0.4: "0.4", 1.0: "1", 12.0: "12", 1500.0: "1,500", 1e-3: "0.001",
            4.3e-5: "4.3 × 10⁻⁵", 2e30: "2.0 × 10³⁰"}  # fmt: skip
    assert {limit: limit_text(limit) for limit in said} == said
    assert full_colour(np.array([[-0.4213, 0.1]])) == "full colour ±0.43"
    assert full_colour(np.zeros((2, 2))) == full_colour(None) == ""
    for kind in ("ais", "evidence", "ais_place", "lime", "random", "centre"):
        assert "mean" not in meaning(kind)
        assert unit_of(kind)


def recoloured(study: Path, sign: float) -> Path:
    """Give every map of a study one sign, keeping its unevenness."""
    for group in (study / "maps.zarr").iterdir():
        if not group.is_dir():
            continue
        with xr.open_zarr(group, consolidated=False, chunks=None) as opened:
            dataset = opened.load()
        for kind in ("ais", "evidence"):
            dataset[kind] = sign * (np.abs(dataset[kind]) + 1e-4)
        for name in dataset.variables:
            dataset[name].encoding.clear()
        dataset.to_zarr(group, mode="w", consolidated=False)
    return study


def only_data(drawings: Any, data: pd.DataFrame, path: Path, columns: int = 1) -> list[str]:
    """Leave out what takes the time: the figures' pictures are tested by themselves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.to_csv(path.with_suffix(".csv"), index=False)
    return []


@pytest.fixture(scope="module", params=[-1, 1], ids=["negative", "positive"])
def one_sign(
    request: Any, fabricated: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    """A study whose maps have one sign, its report written."""
    root = tmp_path_factory.mktemp("sign")
    study = fabricated(root, labels=["vgg16", "<vgg19>"], n_test=3, n_train=0, seeds=1,
                       photo_px=120, localisation=True, inference=False)  # fmt: skip
    recoloured(study, request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisthesis.report.charts.figures.save_figure", only_data)
        write_report(study)
    return study, request.param


def pictures_of(page: str) -> list[np.ndarray]:
    """Every map over a photograph in the page, decoded; photographs have other words."""
    pattern = r'src="data:image/webp;base64,([^"]+)"[^>]*alt="(?:[Ee]vidence|AIS) map'
    files = [io.BytesIO(base64.b64decode(one)) for one in re.findall(pattern, page)]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def test_no_picture_of_the_page_shows_the_other_sign(one_sign):
    study, sign = one_sign
    page = (study / "report.html").read_text()
    pictures = pictures_of(page)
    assert len(pictures) >= 2 * (2 * 3 + 1), "first picture and examples of both kinds"
    for picture in pictures:
        assert (sign * hue(picture)).min() >= 0
        assert (sign * hue(picture)).max() > 40


def test_the_scale_beside_each_map_is_that_of_its_values(one_sign):
    study, _ = one_sign
    page = (study / "report.html").read_text()
    record = read_study_record(study)
    table = pd.read_csv(study / "figures" / "examples_evidence.csv")
    for name in record.explained:
        for label, stack in record.maps.items():
            said = full_colour(stack.get("evidence", name))
            assert said in page
            rows = table[(table["image"] == name) & (table["backbone"] == label)]
            (limit,) = set(rows["full_colour"])
            assert said == f"full colour ±{limit_text(limit)}"
            assert rows["value"].abs().max() <= limit


def test_the_first_picture_names_its_networks_and_says_zero_is_white(one_sign):
    page = (one_sign[0] / "report.html").read_text()
    hero = page[page.index('class="hero"') : page.index("<nav")]
    assert "<figcaption>vgg16" in hero.replace("\n", "")
    assert "&lt;vgg19&gt;" in hero
    assert "white is zero" in hero
    assert "rating units × activation" in hero


def test_the_figure_shows_values_and_says_so():
    for sign in (-1, 1):
        values = sign * uneven()
        row = ExampleRow("rated 3.0", None, [lay_over(None, values, None)], [full_colour(values)])
        drawing = draw_examples([row], ["vgg16"], "evidence", unit_of("evidence"), "Red is ...")
        pixels = np.asarray(Image.open(io.BytesIO(drawn_png(drawing, 96))).convert("RGB"))
        texts = [one.text for one in ET.fromstring(drawing.svg()).iter("text")]
        bar = re.search(r'<rect fill="#\w+" x="[^"]*" y="([\d.]+)"', drawing.svg())
        above_bar = pixels[: int(float(bar[1]) * 96 / AN_INCH) - 2]
        assert (sign * hue(above_bar)).min() >= -20  # the ink of the words
        assert (sign * hue(above_bar)).max() > 60
        label = " ".join(texts)
        assert full_colour(values) in texts
        assert "zero is white" in label
        assert "mean" not in label
        # No line of the label is cut off.
        assert max(text_width(one, SMALL) for one in texts) <= drawing.width


def test_the_browser_draws_values_and_its_words_follow_the_switch(chromium, one_sign):
    study, sign = one_sign
    page = chromium.new_page()
    page.goto((study / "report.html").as_uri())
    page.locator(".viewer").scroll_into_view_if_needed()
    page.locator(".browser canvas").first.wait_for()
    count = """() => [...document.querySelectorAll(".browser canvas")].map((canvas) => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let [red, blue] = [0, 0];
        for (let k = 0; k < data.length; k += 4) {
            if (data[k + 3] < 30) continue;
            red += data[k] > data[k + 2] + 5;
            blue += data[k + 2] > data[k] + 5;
        }
        return [red, blue];
    })"""
    own, other = (0, 1) if sign > 0 else (1, 0)
    record = read_study_record(study)
    for _ in record.explained:
        for found in page.evaluate(count):
            assert found[other] == 0
            assert found[own] > 0
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    captions = " ".join(page.locator("[data-pictures] figcaption").all_inner_texts())
    for stack in record.maps.values():
        assert full_colour(stack.get("ais", record.explained[0])) in captions
    said = page.locator("[data-meaning]").text_content()
    assert "White is zero" in said
    assert meaning("ais") in said
    page.locator("[name=zero][value=mean]").check(force=True)
    assert "own mean" in page.locator("[data-meaning]").text_content()
    assert page.locator("[data-scale=mean]").is_visible()
    assert not page.locator("[data-scale=none]").is_visible()
    assert "full colour" not in " ".join(page.locator("[data-pictures]").all_inner_texts())
    assert all(min(found) > 0 for found in page.evaluate(count))
    limits = [10.0**k * m for k in range(-8, 9) for m in (1.0, 2.5, 9.9)]
    told = page.evaluate("(limits) => limits.map(aisthesis.limitText)", limits)
    assert told == [limit_text(limit) for limit in limits]
    page.close()
