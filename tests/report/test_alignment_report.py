"""The report of an alignment study: its pieces against direct computation, its page in Chromium."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from PIL import Image
from scipy.spatial.distance import pdist, squareform

from aisthesis import Alignment
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.miniature import render_study
from aisthesis.report.similarity.pictures import percentiles
from aisthesis.report.similarity.space import leaf_order, plane, planes
from aisthesis.report.similarity.words import p_value
from aisthesis.report.similarity.write import write_alignment_report

ODD = ("<script>alert('x')<&script>.png", "žluťoučký kůň 美.png", "a b#c?d%20.png")
LABELS = ("miniature:densenet161", "odd <b>label")
N = 12


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory) -> Path:
    """Two networks, images with difficult names, a missing pair, two subjects."""
    root = tmp_path_factory.mktemp("report")
    planted = render_study(root / "p", 20, seed=4, size_px=64)
    images = root / "images"
    images.mkdir()
    names = [*ODD, *(f"{k}.png" for k in range(N - len(ODD)))]
    for name, own in zip(names, list(ImageFolder(planted.images).names), strict=False):
        shutil.copy(planted.images / own, images / name)
    rng = np.random.default_rng(0)
    judged = np.triu(rng.random((2, N, N)), 1)
    judged = judged + judged.transpose(0, 2, 1)
    judged[:, 0, 1] = judged[:, 1, 0] = np.nan
    np.savez(root / "judged.npz", dissimilarity=judged, images=np.array(names))
    study = Alignment(
        images=images,
        judgments=root / "judged.npz",
        out=root / "s",
        title="Who is <i>like</i> whom?",
        backbones=[
            {"name": LABELS[0], "input_px": 96},
            {"name": "miniature:barlow_twins", "label": LABELS[1], "input_px": 96},
        ],
        folds=3,
        repeats=1,
        device="cpu",
    ).run()
    return study.folder.root


def test_the_page_says_the_numbers_of_the_tables(study_dir) -> None:
    page = (study_dir / "report.html").read_text()
    table = pd.read_csv(study_dir / "alignment.csv")
    for _, row in table.iterrows():
        assert f"{row['r2_retained']:.3f}".replace("-", "−") in page
        assert f"{row['agreement']:.3f}".replace("-", "−") in page
    assert "2 judgments of pairs are missing" in page
    assert "1 pair nobody judged" in page


def test_nothing_from_the_study_is_markup(study_dir) -> None:
    page = (study_dir / "report.html").read_text()
    assert "<i>like</i>" not in page
    assert "<b>label" not in page
    assert "alert('x')<&" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)


def test_an_unfinished_study_is_refused_in_words(study_dir, tmp_path) -> None:
    with pytest.raises(RequestError, match=r"cannot be read as a table.*run the study again"):
        write_alignment_report(tmp_path)
    copy = tmp_path / "s"
    shutil.copytree(study_dir, copy)
    (copy / "dissimilarities.npz").write_bytes(b"no")
    with pytest.raises(RequestError, match="holds no finished study"):
        write_alignment_report(copy)


def test_a_report_without_maps_or_photographs(study_dir, tmp_path) -> None:
    copy = tmp_path / "s"
    shutil.copytree(study_dir, copy)
    shutil.rmtree(copy / "maps.zarr")
    text = (copy / "study.toml").read_text()
    images = re.search(r'^images = "(.*)"$', text, re.MULTILINE).group(1)
    (copy / "study.toml").write_text(text.replace(images, str(tmp_path / "gone")))
    record = json.loads((copy / "provenance.json").read_text())
    record["images"]["folder"] = str(tmp_path / "gone")  # where they were at the last run
    (copy / "provenance.json").write_text(json.dumps(record))
    page = write_alignment_report(copy).read_text()
    assert "Photographs that cannot be shown:" in page
    assert "no channel helps" in page
    assert page.count("There are no maps of it.") == len(LABELS)


def test_the_most_alike_pair_and_maps_by_place_are_shown(study_dir) -> None:
    page = (study_dir / "report.html").read_text()
    with np.load(study_dir / "dissimilarities.npz") as held:
        human = np.where(np.eye(N) > 0, np.nan, held["human"])
        i, j = np.unravel_index(np.nanargmin(human), human.shape)
        first, second = (escape(str(held["images"][k])) for k in (i, j))
        similarity = 1 - held["miniature_densenet161.network"][i, j]
    said = f"people find {first} and {second} the most alike (mean dissimilarity {human[i, j]:.3f}"
    assert said in page
    assert f"r = {similarity:.2f}".replace("-", "−") in page
    panel = page[page.index('<section id="pair">') : page.index('<section id="heatmaps">')]
    assert panel.count("makes the two alike") == panel.count("units of r") == 2 * len(LABELS)
    cards = page[page.index('<section id="heatmaps">') :]
    assert cards.count("Map by place over") == N * len(LABELS)
    assert "(units of Pearson’s r)" in cards


def test_distances_in_the_plane_come_back() -> None:
    positions = np.random.default_rng(1).random((15, 2))
    distances = squareform(pdist(positions))
    found = plane(distances)
    np.testing.assert_allclose(squareform(pdist(found)), distances, atol=1e-3)
    turned = positions @ np.array([[0.0, 1.0], [1.0, 0.0]]) * 3
    own, (other,) = planes(distances, [squareform(pdist(turned))])
    np.testing.assert_allclose(own, other, atol=1e-3)
    missing = distances.copy()
    missing[0, 1] = missing[1, 0] = np.nan
    assert np.isfinite(plane(missing)).all()


def test_alike_images_stand_together_in_the_matrices() -> None:
    group = np.arange(12) % 3
    dissimilarity = (group[:, None] != group).astype(float) + 0.01
    np.fill_diagonal(dissimilarity, 0)
    ordered = group[leaf_order(dissimilarity)]
    assert (np.diff(ordered) != 0).sum() == 2


def test_percentiles_of_a_matrix() -> None:
    values = np.array([[0, 1, 5.0], [1, 0, np.nan], [5, np.nan, 0]])
    shown = percentiles(values)
    assert shown[0, 1] == shown[1, 0] == 0.25
    assert shown[0, 2] == 0.75
    assert np.isnan(shown[1, 2])
    assert (np.diag(shown) == 0).all()


def test_p_values_in_words() -> None:
    assert p_value(0.0001) == "< .001"
    assert p_value(0.0421) == "= .042"
    assert p_value(float("nan")) == "undefined"


@pytest.fixture
def page(chromium, study_dir) -> Any:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((study_dir / "report.html").as_uri())
    yield page
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [page.url]
    page.close()


def test_the_page_in_a_browser(page) -> None:
    assert page.locator("h1").text_content() == "Who is <i>like</i> whom?"
    # Three planes of twelve images for each of two networks.
    assert page.locator(".planes svg use").count() == 2 * 3 * N
    assert page.locator(".cards figure").count() == 2 * N
    names = {t.text_content() for t in page.locator(".planes title").all()}
    assert set(ODD) <= names
    tabs = page.locator("#heatmaps [role=tab]")
    assert [tab.text_content() for tab in tabs.all()] == list(LABELS)
    panels = page.locator("#heatmaps [data-network]")
    assert panels.nth(0).is_visible()
    tabs.nth(1).click()
    assert panels.nth(1).is_visible()
    assert not panels.nth(0).is_visible()
    # The other sections follow.
    assert page.locator("#planes [data-network]").nth(1).is_visible()
    tabs.nth(1).press("ArrowRight")
    assert panels.nth(0).is_visible()
    addresses = page.evaluate(
        "[...document.querySelectorAll('#matrices image')].map(one => one.getAttribute('href'))"
    )
    files = [io.BytesIO(base64.b64decode(one.partition(",")[2])) for one in addresses]
    assert len(files) == 6
    assert all(Image.open(file).width % N == 0 for file in files)


def test_it_fits_a_phone_in_both_themes_and_prints(page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]
    page.emulate_media(media="print")
    assert page.locator("#heatmaps [data-network]").nth(1).is_visible()
