"""The page in a real browser: silent, self-contained, and every control does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy.ndimage import map_coordinates

from aisthesis.maps.colour import signed_rgba
from aisthesis.maps.resample import upsample
from aisthesis.maps.standardise import z_score
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.pictures.overlays import LIMIT_SD
from aisthesis.report.write import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


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


def z_scores(values: np.ndarray) -> np.ndarray:
    return z_score(upsample(torch.from_numpy(values).double(), 224))[0].numpy()


def numbers(page: Any, function: str, given: Any = None) -> np.ndarray:
    """Many numbers that a function of the page gives; as one text they come in no time."""
    text = page.evaluate(f"(given) => ({function})(given).join(' ')", given)
    return np.array(text.split(), dtype=float)


def show_browser(page: Any) -> None:
    page.locator(".viewer").scroll_into_view_if_needed()
    page.locator(".browser canvas").first.wait_for()


def browser_data(page: Any) -> dict[str, Any]:
    return page.evaluate("JSON.parse(document.getElementById('browser-data').textContent)")


def names_in_strip(page: Any) -> list[str]:
    return [b.get_attribute("title") for b in page.locator("[data-strip] button").all()]


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
    show_browser(page)
    assert name_shown(page) == "<script>alert('x')</script>&\".jpg"
    assert len([url for url in page.requests if url.startswith("file:")]) == 1
    assert page.locator("[data-pictures] figure").count() == 4


def test_nothing_is_drawn_before_it_is_near_the_view(page):
    assert page.locator(".browser canvas").count() == 0
    assert page.locator("[data-strip] button").count() == 0
    show_browser(page)
    assert page.locator(".browser canvas").count() == 3
    assert page.locator("[data-strip] button").count() == 6


def test_keys_buttons_and_strip_move_through_the_images(page):
    show_browser(page)
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
    page.keyboard.press("Home")
    assert name_shown(page) == first
    page.keyboard.press("End")
    assert page.locator("[data-place]").text_content() == "6 of 6"


def test_letters_change_what_is_shown_but_not_while_typing(page):
    show_browser(page)
    page.locator("[name=next]").focus()
    page.keyboard.press("k")
    assert page.locator("[name=kind][value=evidence]").is_checked()
    page.keyboard.press("s")
    assert page.locator("[name=sign][value=positive]").is_checked()
    page.keyboard.press("l")
    assert page.locator("[data-pictures] figure").count() == 4
    assert page.locator("[data-two]").is_visible()
    page.locator("[name=find]").focus()
    page.keyboard.type("k")
    assert page.locator("[name=kind][value=evidence]").is_checked()


def test_sorting_by_every_key_orders_the_images(page):
    show_browser(page)
    by_name = {image["name"]: image for image in browser_data(page)["images"]}
    for kind in ("ais", "evidence"):
        page.locator(f"[name=kind][value={kind}]").check(force=True)
        options = page.locator("[name=sort] option").evaluate_all("all => all.map(o => o.value)")
        assert len(options) == 10
        for option in options[1:]:
            page.locator("[name=sort]").select_option(option)
            key, direction = option.split(":")
            facts = [by_name[name][key] for name in names_in_strip(page)]
            facts = [fact[kind] if isinstance(fact, dict) else fact for fact in facts]
            values = [fact for fact in facts if fact is not None]
            assert values == sorted(values, reverse=direction == "-1")
            assert facts[: len(values)] == values, "those not known come last"
            assert len(facts) == 6


def test_filters_keep_the_images_between_the_sliders(page):
    show_browser(page)
    page.locator(".filters summary").click()
    for key in ("rating", "error", "consensus", "controversy"):
        facts = {image["name"]: image[key] for image in browser_data(page)["images"]}
        known = {n: v["ais"] if isinstance(v, dict) else v for n, v in facts.items()}
        known = {name: value for name, value in known.items() if value is not None}
        low, high = min(known.values()), max(known.values())
        page.locator(f"[name={key}-from]").fill("40")
        cut = low + 0.4 * (high - low)
        assert set(names_in_strip(page)) == {name for name, v in known.items() if v >= cut}
        page.locator(f"[name={key}-to]").fill("80")
        end = low + 0.8 * (high - low)
        left = {name for name, v in known.items() if cut <= v <= end}
        assert set(names_in_strip(page)) == left
        assert " to " in page.locator(f"[data-range={key}] output").text_content()
        page.locator("[name=reset]").click()
        assert len(names_in_strip(page)) == 6


def test_images_with_the_same_rating_but_other_maps_can_be_picked(page):
    show_browser(page)
    page.locator(".filters summary").click()
    data = browser_data(page)
    marked_of = {
        kind: [
            image["name"]
            for image in data["images"]
            if (image["divided"][kind] or 0) >= data["dividedFrom"]
        ]
        for kind in data["images"][0]["divided"]
    }
    kind, marked = max(marked_of.items(), key=lambda pair: len(pair[1]))
    assert 0 < len(marked) < 6
    page.locator(f"[name=kind][value={kind}]").check(force=True)
    page.locator("[name=marked]").check()
    assert names_in_strip(page) == marked
    assert "same rating, other map" in page.locator("[data-facts]").text_content()


def test_examples_open_in_the_browser(page):
    button = page.locator("[data-open]").nth(1)
    wanted = button.get_attribute("data-open")
    button.click()
    assert name_shown(page) == wanted


def test_a_dot_behind_a_mean_tells_its_image_and_opens_it(page, full_study):
    strip = page.locator(".strips-figure:not([hidden]) [data-dots]").first
    strip.scroll_into_view_if_needed()
    pair = strip.evaluate("path => path.parentNode.ariaLabel").split(":")[0].split(" – ")
    table = pd.read_csv(full_study / "agreement_images.csv")
    asked = strip.evaluate("path => ({ ...path.closest('.panel').dataset })")
    of_metric = table[(table["map"] == asked["kind"]) & (table["metric"] == asked["metric"])]
    own = of_metric[(of_metric["backbone_a"] == pair[0]) & (of_metric["backbone_b"] == pair[1])]
    wanted = own.loc[own["value"].idxmax(), "image"]  # the dot that is furthest to the right
    box = strip.bounding_box()
    x, y = strip.evaluate("""path => {
      const dots = [...path.getAttribute("d").matchAll(/M([-.\\d]+) ([-.\\d]+)/g)];
      const [, x, y] = dots.at(-1);
      const at = new DOMPoint(x, y).matrixTransform(path.getScreenCTM());
      return [at.x, at.y];
    }""")
    assert box["x"] <= x <= box["x"] + box["width"]
    page.mouse.move(x, y)
    assert strip.locator("title").text_content() == wanted
    page.mouse.click(x, y)
    assert page.locator("[data-name]").text_content() == wanted


def test_finding_by_name_filters_and_can_find_nothing(page):
    show_browser(page)
    page.locator("[name=find]").fill("KŮŇ")
    assert page.locator("[data-strip] button").count() == 1
    assert "kůň" in name_shown(page)
    page.locator("[name=find]").fill("nothing is called so")
    assert page.locator("[data-none]").is_visible()
    assert not page.locator(".viewer").is_visible()
    page.locator("[name=find]").fill("")
    assert page.locator("[data-strip] button").count() == 6


def test_signs_and_opacity_change_the_colours(page):
    show_browser(page)
    both = ink(page)
    assert both["red"] > 0
    assert both["blue"] > 0
    page.locator("[name=sign][value=positive]").check(force=True)
    assert ink(page)["blue"] == 0
    page.locator("[name=sign][value=negative]").check(force=True)
    assert ink(page)["red"] == 0
    page.locator("[name=sign][value=both]").check(force=True)
    page.locator("[name=opacity]").fill("0.3")
    assert 0 < ink(page)["alpha"] < 0.6 * both["alpha"]
    page.locator("[name=opacity]").fill("0")
    assert ink(page)["alpha"] == 0


def test_numbers_have_a_real_minus_and_no_negative_zero(page):
    said = page.evaluate(
        """() => {
            const {say} = aisthesis.pictures(null, null);
            return [say(-0.001), say(-0.5), say(0.126), say(null), say(-12.34, 1)];
        }"""
    )
    assert said == ["0.00", "−0.50", "0.13", "–", "−12.3"]


def test_flat_maps_are_not_drawn(page):
    show_browser(page)
    page.locator("[data-strip] button").nth(2).click()
    assert page.locator("[data-pictures] canvas").count() == 2
    assert "no map, or a flat one" in page.locator("[data-pictures]").inner_text()


def test_two_maps_side_by_side_and_their_difference(page):
    show_browser(page)
    assert not page.locator("[data-two]").is_visible()
    page.locator("[name=layout][value=two]").check(force=True)
    assert page.locator("[data-pictures] figure").count() == 4
    titles = page.locator("[data-pictures] figcaption").all_inner_texts()
    assert titles[3].startswith("vgg16 − vgg19")
    assert ink(page, 2)["alpha"] > 0
    page.locator("[name=subtrahend]").select_option(label="vgg16")
    assert ink(page, 2)["alpha"] == 0
    page.locator("[name=subtrahend]").select_option(label="resnet152")
    assert page.locator("[data-pictures] figcaption").nth(2).inner_text().startswith("resnet152")


def test_the_difference_is_that_of_the_z_scores(page, full_study):
    show_browser(page)
    record = read_study_record(full_study)
    name = record.explained[1]
    one, other = (record.maps[label].get("ais", name) for label in ("vgg16", "resnet152"))
    expected = z_scores(one) - z_scores(other)
    pixels = numbers(
        page,
        """() => {
            const text = document.getElementById("browser-data").textContent;
            const store = aisthesis.store(JSON.parse(text));
            const [a, , b] = store.maps(1, "ais").map((map) => aisthesis.standardised(map, "mean"));
            return [...a.map((value, k) => value - b[k])];
        }""",
    )
    np.testing.assert_allclose(np.reshape(pixels, (224, 224)), expected, atol=2e-3)


def test_maps_of_other_crops_are_subtracted_place_by_place_over_what_both_saw(page, full_study):
    """The left half of one network's crop is the right half of the other's."""
    show_browser(page)
    record = read_study_record(full_study)
    name = record.explained[1]
    one, other = (record.maps[label].get("ais", name) for label in ("vgg16", "resnet152"))
    found = page.evaluate(
        """() => {
            const data = JSON.parse(document.getElementById("browser-data").textContent);
            data.images[1].crops = [[0.25, 0, 0.5, 1], [0, 0, 1, 1], [0, 0, 0.5, 1]];
            const store = aisthesis.store(data);
            const look = {kind: "ais", name: "AIS", sign: "both", zero: "mean", opacity: 1,
                          layout: "two", two: [0, 2]};
            const made = aisthesis.pictures(data, store).figures(1, look)[3];
            const canvas = made.querySelector("canvas");
            data.images[1].crops = [[0, 0, 0.5, 1], [0, 0, 1, 1], [0.5, 0, 0.5, 1]];
            const none = aisthesis.pictures(data, aisthesis.store(data)).figures(1, look)[3];
            const maps = store.maps(1, "ais");
            const half = (k, left) =>
                [...aisthesis.standardised(maps[k], "mean", [left, 0, 0.5, 1])].join(" ");
            return {note: made.textContent, style: canvas?.style.cssText ?? "",
                    none: none.textContent, one: half(0, 0), other: half(2, 0.5)};
        }"""
    )
    assert "over the part of the photograph that both saw" in found["note"]
    assert "left: 25%" in found["style"]
    assert "width: 25%" in found["style"]
    assert "no map" in found["none"]
    for pixels, values, left in ((found["one"], one, 0), (found["other"], other, 0.5)):
        cells = values.shape[0]
        across = np.clip((left + (np.arange(224) + 0.5) / 448) * cells - 0.5, 0, cells - 1)
        down = np.clip((np.arange(224) + 0.5) / 224 * cells - 0.5, 0, cells - 1)
        expected = map_coordinates(values.astype(float), np.meshgrid(down, across, indexing="ij"),
                                   order=1)  # fmt: skip
        expected = (expected - expected.mean()) / expected.std()
        found_here = np.array(pixels.split(), dtype=float).reshape(224, 224)
        np.testing.assert_allclose(found_here, expected, atol=2e-3)


def test_the_colours_are_those_of_the_figures(page):
    # No value lies where two colours are equally near, so that rounding has no say.
    drawn = np.random.default_rng(0).normal(0, 2, 2000)
    values = np.concatenate([drawn, [0.0, -0.0, 3.0, -3.0, 9.0, -9.0, 1e-9]])
    for sign in ("both", "positive", "negative"):
        pixels = page.evaluate(
            """([values, sign]) => {
                const data = JSON.parse(document.getElementById("browser-data").textContent);
                const into = new Uint8ClampedArray(4 * values.length);
                const look = {limit: data.limit, anchors: data.anchors, opacity: 0.7, sign};
                return [...aisthesis.colour(values, into, look)];
            }""",
            [values.tolist(), sign],
        )
        shown = {"both": np.abs(values) >= 0, "positive": values >= 0, "negative": values <= 0}[
            sign
        ]
        expected = signed_rgba(values[None], LIMIT_SD, opacity=0.7, fade=True)[0]
        found = np.reshape(pixels, (-1, 4))
        np.testing.assert_array_equal(found[shown], expected[shown])
        assert (found[~shown] == 0).all()


def test_maps_have_words_for_whoever_does_not_see_them(page, full_study):
    show_browser(page)
    record = read_study_record(full_study)
    z = z_scores(record.maps["vgg16"].get("ais", record.explained[0]))
    y, x = np.unravel_index(z.argmax(), z.shape)
    places = [["upper left", "top", "upper right"], ["left", "centre", "right"],
              ["lower left", "bottom", "lower right"]]  # fmt: skip
    words = page.locator(".browser canvas").first.get_attribute("aria-label")
    assert words.startswith("AIS map of vgg16 over <script>")
    assert f"highest at the {places[3 * y // 224][3 * x // 224]}," in words


def test_the_browser_computes_the_z_scores_of_the_method(page, full_study):
    record = read_study_record(full_study)
    name = record.explained[1]
    for (position, stack), kind in product(enumerate(record.maps.values()), ("ais", "evidence")):
        pixels = numbers(
            page,
            """([image, position, kind]) => {
                const text = document.getElementById("browser-data").textContent;
                const store = aisthesis.store(JSON.parse(text));
                return [...aisthesis.standardised(store.maps(image, kind)[position], "mean")];
            }""",
            [1, position, kind],
        )
        expected = z_scores(stack.get(kind, name))
        np.testing.assert_allclose(np.reshape(pixels, (224, 224)), expected, atol=1e-3)


def test_maps_lie_on_the_crop_of_the_photograph(page):
    show_browser(page)
    box = page.locator("[data-pictures] .picture").nth(1).bounding_box()
    drawn = page.locator("[data-pictures] canvas").first.bounding_box()
    frame = page.locator("[data-pictures] .crop").first.bounding_box()
    for found in (drawn, frame):
        # The first photograph has 360 × 240 px; the network saw 210 × 210 px of its middle.
        assert found["width"] / box["width"] == pytest.approx(210 / 360, abs=0.01)
        assert found["height"] / box["height"] == pytest.approx(210 / 240, abs=0.01)
    assert (drawn["x"] - box["x"]) / box["width"] == pytest.approx(75 / 360, abs=0.01)


def choose(page: Any, switch: str, value: str) -> None:
    page.locator(f"[data-switch={switch}][value={value}]").first.check(force=True)


def matrices_shown(page: Any) -> list[str]:
    found = page.locator(".matrices figure.panel").all()
    return [figure.get_attribute("id") for figure in found if figure.is_visible()]


def test_switches_choose_map_metric_and_view_for_the_whole_section(page):
    assert matrices_shown(page) == ["matrix-ais-cosine-raw"]
    choose(page, "kind", "evidence")
    choose(page, "view", "disattenuated")
    assert matrices_shown(page) == ["matrix-evidence-cosine-disattenuated"]
    choose(page, "metric", "ssim")  # has no correction for noise: it is shown as measured
    assert matrices_shown(page) == ["matrix-evidence-ssim-raw"]
    choose(page, "view", "raw")
    assert matrices_shown(page) == ["matrix-evidence-ssim-raw"]
    strips = page.locator(".strips-figure").all()
    shown = [s.get_attribute("data-metric") for s in strips if s.is_visible()]
    assert shown == ["ssim"]
    assert page.locator(".tree").first.is_hidden()
    choose(page, "metric", "cosine")
    assert page.locator(".tree[data-kind=evidence]").is_visible()
    choose(page, "kind", "ais")
    tables = page.locator(".matrices details").all()
    assert [t.get_attribute("data-kind") for t in tables if t.is_visible()] == ["ais"]


def test_cells_tell_what_they_know_to_pointer_and_keys(page, full_study):
    row = pd.read_csv(full_study / "agreement.csv").iloc[0]
    mean = f"{row['mean']:.3f}".replace("-", "−")
    figure = page.locator("#matrix-ais-cosine-raw")
    readout = figure.locator("[data-readout]")
    resting = readout.text_content()
    cells = figure.locator("[data-line]")
    cells.nth(1).hover()
    told = readout.text_content()
    assert told.startswith(f"{row['backbone_a']} and {row['backbone_b']}: {mean}, 95% interval")
    assert "chance 0.05 (95% of random pairings 0.01 to 0.09)" in told
    assert "corrected" in told
    page.mouse.move(0, 0)
    assert readout.text_content() == resting
    assert figure.locator("[data-line][tabindex='0']").count() == 1
    cells.nth(0).focus()
    assert "with itself across seeds" in readout.text_content()
    page.keyboard.press("ArrowRight")
    assert readout.text_content() == told
    page.keyboard.press("ArrowDown")
    assert "with itself" in readout.text_content()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert readout.text_content() == told, "there is nothing above the first row"
    assert figure.locator("[data-line][tabindex='0']").count() == 1


def test_switches_and_summaries_are_reached_by_keyboard_with_a_visible_focus(page):
    page.locator("[data-switch=kind]").first.focus()
    page.keyboard.press("ArrowRight")
    assert matrices_shown(page) == ["matrix-evidence-cosine-raw"]
    outline = page.locator("[data-switch=kind]:checked + span").first.evaluate(
        "e => getComputedStyle(e).outlineStyle"
    )
    assert outline == "solid"


def test_examples_switch_between_kinds_of_maps(page):
    assert page.locator("#examples-ais").is_visible()
    page.locator("[name=example-kind][value=evidence]").check(force=True)
    assert page.locator("#examples-evidence").is_visible()
    assert not page.locator("#examples-ais").is_visible()


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
    show_browser(page)
    page.locator(".filters summary").click()
    page.locator("[name=layout][value=two]").check(force=True)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_no_picture_or_panel_is_alone_on_a_row(page):
    for width in (360, 640, 760, 1000, 1300):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        alone = page.evaluate(
            """() => [...document.querySelectorAll(".pictures, .scatters")].filter((grid) => {
                const shown = [...grid.children].filter((one) => one.getBoundingClientRect().width);
                const rows = {};
                shown.forEach((one) => {
                    const top = Math.round(one.getBoundingClientRect().top);
                    rows[top] = (rows[top] || 0) + 1;
                });
                const counts = Object.values(rows), most = Math.max(...counts);
                return most > 1 && counts[counts.length - 1] === 1;
            }).map((grid) => `${grid.className} ${grid.children.length}`)"""
        )
        assert alone == []


def test_print_shows_every_matrix_and_no_browser(page):
    page.emulate_media(media="print")
    for kind in ("ais", "evidence"):
        for metric in ("cosine", "ssim", "emd", "mse"):
            assert page.locator(f"#matrix-{kind}-{metric}-raw").is_visible()
    assert page.locator("#matrix-ais-cosine-disattenuated").is_visible()
    assert page.locator("#examples-evidence").is_visible()
    assert not page.locator("#browser").is_visible()
    assert not page.locator("#agreement .switches").is_visible()
    for advice in page.locator("#agreement .on-screen").all():  # on switches, on the pointer
        assert not advice.is_visible()
    assert not page.locator("details:not([open])").first.is_visible()


def test_every_control_has_a_name_and_every_picture_words(page):
    show_browser(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select")]
            .filter((one) => !one.labels?.length && !one.ariaLabel && !one.textContent.trim())
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    silent = page.evaluate(
        """() => [...document.querySelectorAll("canvas, [role=img]")]
            .filter((one) => !one.ariaLabel).map((one) => one.outerHTML)"""
    )
    assert silent == []
    handlers = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((one) =>
            [...one.attributes].some((a) => a.name.startsWith("on"))).length"""
    )
    assert handlers == 0


def test_without_javascript_everything_but_the_browser_is_there(chromium, full_study):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((full_study / "report.html").as_uri())
    for kind in ("ais", "evidence"):
        assert page.locator(f"#matrix-{kind}-mse-raw").is_visible()
        assert page.locator(f"#examples-{kind}").is_visible()
    assert not page.locator("#agreement .switches").is_visible()
    assert page.locator("#browser noscript").count() == 1
    context.close()


def test_photographs_beside_the_page_are_found_and_nothing_else_is_asked_for(
    chromium, make_study, no_figures
):
    study = make_study(labels=["vgg16", "vgg19"], n_test=4, n_train=0, seeds=1)
    write_report(study, photographs="folder")
    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((study / "report.html").as_uri())
    show_browser(page)
    page.wait_for_function(
        "[...document.querySelectorAll('[data-pictures] img')].every((img) => img.naturalWidth > 0)"
    )
    files = [url for url in asked if not url.startswith("data:")]
    folder = study.as_uri()
    assert all(url.startswith(folder) for url in files)
    assert {url.rsplit("/", 1)[1] for url in files} == {
        "report.html", *(f"{k:05d}.jpg" for k in range(4))
    }  # fmt: skip
    page.close()


def test_every_methods_maps_are_drawn_and_a_network_without_them_says_so(
    chromium, make_study, no_figures
):
    study = make_study(labels=["vgg16", "vgg19"], n_test=4, n_train=0, seeds=1)
    store = study / "maps.zarr" / "vgg16"
    names = xr.open_zarr(store, consolidated=False)["image"].values
    maps = np.random.default_rng(0).normal(size=(4, 9, 5)).astype(np.float32)
    dataset = xr.Dataset({"lime": (("image", "y", "x"), maps)}, {"image": names})
    dataset.to_zarr(store, group="lime", mode="a", consolidated=False)
    write_report(study)
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((study / "report.html").as_uri())
    show_browser(page)
    page.locator("[name=kind][value=lime]").check(force=True)
    assert page.locator(".browser canvas").count() == 1
    assert page.locator("[data-pictures] .absent").text_content() == "no map, or a flat one"
    words = page.locator(".browser canvas").get_attribute("aria-label")
    assert words.startswith("LIME map of vgg16 over")
    pixels = numbers(
        page,
        """() => {
            const text = document.getElementById("browser-data").textContent;
            const store = aisthesis.store(JSON.parse(text));
            return [...aisthesis.standardised(store.maps(2, "lime")[0], "mean")];
        }""",
    )
    np.testing.assert_allclose(np.reshape(pixels, (224, 224)), z_scores(maps[2]), atol=1e-3)
    assert complaints == []
    page.close()


def place(page: Any) -> str:
    return page.locator("[data-place]").text_content().split()[0]


def test_keys_go_on_working_after_a_click_on_a_switch(page):
    show_browser(page)
    for switch in ("kind", "sign", "zero", "layout"):
        page.keyboard.press("Home")
        page.locator(f"[name={switch}]").last.check(force=True)
        chosen = page.locator(f"[name={switch}]:checked").get_attribute("value")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert place(page) == "3"
        assert page.locator(f"[name={switch}]:checked").get_attribute("value") == chosen
        page.keyboard.press("s")
        page.keyboard.press("End")
        assert place(page) == "6"


def test_keys_go_on_working_after_the_pointer_used_any_control(page):
    show_browser(page)
    page.locator("[name=sign]").first.click(force=True)  # chosen already: nothing changes
    page.keyboard.press("ArrowRight")
    assert place(page) == "2"
    page.locator("[name=opacity]").click()
    page.keyboard.press("ArrowRight")
    assert place(page) == "3"
    page.locator(".filters summary").click()
    page.keyboard.press("ArrowRight")
    assert place(page) == "4"
    page.locator("[data-pictures] .picture").first.click()
    page.keyboard.press("z")
    assert page.locator("[name=zero][value=mean]").is_checked()
    page.locator("[name=find]").click()
    page.keyboard.press("Home")
    assert place(page) == "4", "a field that is written in keeps its keys"


def test_whoever_comes_by_keyboard_has_the_controls_own_keys(page):
    show_browser(page)
    page.locator("[name=previous]").focus()
    page.locator("[name=sign]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[name=sign][value=positive]").is_checked()
    assert place(page) == "1"


def test_nothing_is_wider_than_a_phone_but_what_scrolls_by_itself(page):
    for width in (360, 390):
        page.set_viewport_size({"width": width, "height": 740})
        show_browser(page)
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        choose(page, "kind", "evidence")
        wide = page.evaluate(
            """(width) => [...document.querySelectorAll("main *, header *")].filter((one) =>
                !one.closest(".strip, .unseen, svg") && !one.parentElement.closest(".scroll")
                && one.getBoundingClientRect().width
                && one.getBoundingClientRect().right > width + 0.5)
                .map((one) => one.outerHTML.slice(0, 200))""",
            width,
        )
        assert wide == []
        page.evaluate("window.scrollTo(500, window.scrollY)")
        assert page.evaluate("window.scrollX") == 0
        hidden = page.evaluate(
            """() => [...document.querySelectorAll(".scroll")].filter((one) =>
                one.scrollWidth > one.clientWidth + 1
                && (getComputedStyle(one).overflowX !== "auto" || !one.classList.contains("wider")))
                .map((one) => one.outerHTML.slice(0, 100))"""
        )
        assert hidden == [], "what scrolls says so"
        assert page.locator(".scroll.wider").count() > 0


def test_the_stronger_an_agreement_the_further_its_cell_from_the_page(page):
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        cells = page.evaluate(
            """() => {
                const bright = (colour) => {
                    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                const ground = bright(getComputedStyle(document.body).backgroundColor);
                return [...document.querySelectorAll("#matrix-ais-cosine-raw .cell:not(.self)")]
                    .map((one) => [
                        Math.abs(Number(one.querySelector("text").textContent
                            .replace("°", "").replace("\u2212", "-"))),
                        Math.abs(bright(getComputedStyle(one.querySelector("rect")).fill) - ground),
                    ]);
            }"""
        )
        strengths = sorted(set(map(tuple, cells)))
        assert len(strengths) >= 3
        apart = [distance for _, distance in strengths]
        assert apart[-1] > apart[0] + 10
