"""The page in a real browser: silent, self-contained, and every control does what it says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aisthesis.maps import upsample, z_score
from aisthesis.report.record import read_study_record

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    named = os.environ.get("AISTHESIS_CHROMIUM")
    path = named or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (AISTHESIS_CHROMIUM names one)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, full_study: Path) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(f"dialog {dialog.message}"))
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((full_study / "report.html").as_uri())
    yield page
    assert page.complaints == []
    outside = [url for url in page.requests if not url.startswith(("data:", "file:"))]
    assert outside == []
    page.close()


def name_shown(page: Any) -> str:
    return page.locator("[data-name]").text_content()


def ink(page: Any, canvas: int = 0) -> dict[str, int]:
    """Count the red and blue pixels of a map."""
    return (
        page.locator(".browser canvas")
        .nth(canvas)
        .evaluate(
            """canvas => {
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const count = {red: 0, blue: 0, alpha: 0};
            for (let k = 0; k < data.length; k += 4) {
                count.alpha += data[k + 3];
                if (data[k + 3] < 30) continue;  // too faint for its colour to be kept
                if (data[k] > data[k + 2] + 5) count.red += 1;
                if (data[k + 2] > data[k] + 5) count.blue += 1;
            }
            return count;
        }"""
        )
    )


def test_names_are_text_and_the_page_is_one_request(page):
    assert name_shown(page) == "<script>alert('x')</script>&\".jpg"
    assert len([url for url in page.requests if url.startswith("file:")]) == 1
    assert page.locator("[data-pictures] figure").count() == 4


def test_keys_buttons_and_strip_move_through_the_images(page):
    page.locator("#browser").scroll_into_view_if_needed()
    page.locator(".viewer").scroll_into_view_if_needed()
    first = name_shown(page)
    page.keyboard.press("ArrowRight")
    second = name_shown(page)
    assert second != first
    page.locator("[name=next]").click()
    assert page.locator("[data-place]").text_content() == "3 of 6"
    page.keyboard.press("ArrowLeft")
    assert name_shown(page) == second
    page.locator("[data-strip] button").nth(5).click()
    assert page.locator("[data-place]").text_content() == "6 of 6"
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-place]").text_content() == "6 of 6"


def test_sorting_by_every_key_orders_the_images(page, full_study):
    data = page.evaluate("JSON.parse(document.getElementById('browser-data').textContent)")
    by_name = {image["name"]: image for image in data["images"]}
    for option in ("rating:-1", "rating:1", "error:-1", "consensus:-1", "controversy:-1"):
        page.locator("[name=sort]").select_option(option)
        names = [b.get_attribute("title") for b in page.locator("[data-strip] button").all()]
        key, direction = option.split(":")
        values = [by_name[name][key] for name in names if by_name[name][key] is not None]
        assert values == sorted(values, reverse=direction == "-1")
        assert len(names) == 6


def test_finding_by_name_filters_and_can_find_nothing(page):
    page.locator("[name=find]").fill("KŮŇ")
    assert page.locator("[data-strip] button").count() == 1
    assert "kůň" in name_shown(page)
    page.locator("[name=find]").fill("nothing is called so")
    assert page.locator("[data-none]").is_visible()
    assert not page.locator(".viewer").is_visible()
    page.locator("[name=find]").fill("")
    assert page.locator("[data-strip] button").count() == 6


def test_signs_and_opacity_change_the_colours(page):
    both = ink(page)
    assert both["red"] > 0
    assert both["blue"] > 0
    page.locator("[name=sign][value=positive]").check()
    assert ink(page)["blue"] == 0
    page.locator("[name=sign][value=negative]").check()
    assert ink(page)["red"] == 0
    page.locator("[name=sign][value=both]").check()
    page.locator("[name=opacity]").fill("0.3")
    assert 0 < ink(page)["alpha"] < 0.6 * both["alpha"]
    page.locator("[name=opacity]").fill("0")
    assert ink(page)["alpha"] == 0


def test_flat_maps_are_not_drawn(page):
    page.locator("[data-strip] button").nth(2).click()
    assert page.locator("[data-pictures] canvas").count() == 2
    assert "no map, or a flat one" in page.locator("[data-pictures]").inner_text()


def test_difference_of_two_maps(page):
    page.locator("[name=minuend]").select_option(label="vgg16")
    assert page.locator("[data-pictures] figure").count() == 5
    page.locator("[name=subtrahend]").select_option(label="vgg16")
    assert ink(page, 3)["alpha"] == 0


def test_the_browser_computes_the_z_scores_of_the_method(page, full_study):
    record = read_study_record(full_study)
    name = record.explained[1]
    for position, stack in enumerate(record.maps.values()):
        pixels = page.evaluate(
            """([image, position]) => {
                const data = JSON.parse(document.getElementById("browser-data").textContent);
                return [...aisthesis.standardised(data.images[image].maps.ais[position], "mean")];
            }""",
            [1, position],
        )
        values = torch.from_numpy(stack.get("ais", name)).double()
        expected, _ = z_score(upsample(values, 224))
        np.testing.assert_allclose(np.reshape(pixels, (224, 224)), expected, atol=1e-3)


def test_maps_lie_on_the_crop_of_the_photograph(page):
    box = page.locator("[data-pictures] .picture").nth(1).bounding_box()
    drawn = page.locator("[data-pictures] canvas").first.bounding_box()
    # The first photograph has 360 × 240 px; the network saw 210 × 210 px of its middle.
    assert drawn["width"] / box["width"] == pytest.approx(210 / 360, abs=0.01)
    assert drawn["height"] / box["height"] == pytest.approx(210 / 240, abs=0.01)
    assert (drawn["x"] - box["x"]) / box["width"] == pytest.approx(75 / 360, abs=0.01)


def test_tabs_switch_between_kinds_of_maps(page):
    tabs = page.locator("#agreement [role=tab]")
    assert page.locator("#agreement-ais").is_visible()
    tabs.nth(1).click()
    assert page.locator("#agreement-evidence").is_visible()
    assert not page.locator("#agreement-ais").is_visible()
    tabs.nth(1).press("ArrowLeft")
    assert page.locator("#agreement-ais").is_visible()


def test_themes_follow_the_system_and_the_button(page):
    def ground() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.emulate_media(color_scheme="light")
    light = ground()
    page.emulate_media(color_scheme="dark")
    assert ground() != light
    page.locator("[data-theme-toggle]").click()
    assert ground() == light


def test_the_page_fits_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_print_shows_all_tabs_and_no_browser(page):
    page.emulate_media(media="print")
    assert page.locator("#agreement-evidence").is_visible()
    assert page.locator("#agreement-ais").is_visible()
    assert not page.locator("#browser").is_visible()
