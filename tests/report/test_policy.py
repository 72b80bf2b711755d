"""Both pages say what they may run: their own inline parts, and nothing that was put in later."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aisthesis.report.policy import PlacedStyles, content_policy
from aisthesis.report.write import write_report

INJECTED = (
    "<script>window.broken = 1</script><img src='no:x' onerror='window.broken = 2'>"
    "<script src='https://example.org/x.js'></script>"
    "<style>body { color: rgb(1, 2, 3) }</style><p id='evil' style='color: rgb(4, 5, 6)'>x</p>"
    "<img src='https://example.org/x.png'>"
)


def policy_of(page: str) -> dict[str, str]:
    content = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    said = content.group(1).replace("&#39;", "'")
    return dict(one.strip().split(" ", 1) for one in said.split(";"))


def test_hashes_are_those_of_the_parts():
    # The example of the CSP 3 specification.
    policy = content_policy(["alert('Hello, world.');"], [])
    assert "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='" in policy
    assert "unsafe" not in policy
    assert "'self'" not in policy
    assert "'self'" in content_policy([], [], photographs_beside=True)


def test_places_become_classes_once_and_cannot_end_their_rule():
    placed = PlacedStyles()
    assert placed.styled("left: 3%") == placed.styled("left: 3%") != placed.styled("left: 4%")
    assert str(placed.sheet).count("left: 3%") == 1
    for bad in ("left: 3%} body {", "</style>", "@import x"):
        with pytest.raises(ValueError, match="CSS declarations"):
            placed.styled(bad)


@pytest.fixture(scope="module")
def pages(fabricated: Callable[..., Path], tmp_path_factory: Any) -> dict[str, Path]:
    """A rating report with its photographs inside and beside it, and the alignment page's frame."""
    root = tmp_path_factory.mktemp("policy")
    found = {}
    for placement in ("inline", "folder"):
        study = fabricated(root / placement, labels=["vgg16", "vgg19"], n_test=2, n_train=0,
                           seeds=1, photo_px=90, inference=False)  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "aisthesis.report.write.FigureFiles.begin", lambda *_: None
            )  # not what is tested
            found[placement] = write_report(study, photographs=placement)
    return found


@pytest.mark.parametrize("placement", ["inline", "folder"])
def test_a_page_runs_under_its_policy_and_nothing_put_into_it_does(chromium, pages, placement):
    path = pages[placement]
    text = path.read_text()
    policy = policy_of(text)
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)
    assert policy["img-src"] == ("data:" if placement == "inline" else "data: 'self' file:")
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    assert page.locator("[style]").count() == 0
    page.locator(".viewer").scroll_into_view_if_needed()
    page.locator(".browser canvas").first.wait_for()
    shown = page.locator("[data-pictures] img").first
    shown.evaluate("img => img.decode()")
    assert shown.evaluate("img => img.naturalWidth") > 0
    assert page.locator("[data-theme-toggle]").is_visible()
    cell = page.locator(".cell rect[class^=mix-]").first
    assert cell.evaluate("e => getComputedStyle(e).fill") != "rgb(0, 0, 0)"  # which is none
    assert complaints == []
    asked: list[str] = []
    page.on("requestfinished", lambda request: asked.append(request.url))
    for where in ("<main>", "</body>"):
        other = path.with_name("injected.html")
        other.write_text(text.replace(where, where + INJECTED if where == "<main>" else
                                      INJECTED + where))  # fmt: skip
        page.goto(other.as_uri())
        page.wait_for_load_state()
        assert page.evaluate("window.broken") is None
        colour = "e => getComputedStyle(e).color"
        assert page.locator("body").evaluate(colour) != "rgb(1, 2, 3)"
        assert page.locator("#evil").evaluate(colour) != "rgb(4, 5, 6)"
        other.unlink()
    assert len([c for c in complaints if "Content Security Policy" in c]) >= 8
    assert not [url for url in asked if url.startswith("http")]
    page.close()


def test_every_page_with_scripts_has_a_policy_for_exactly_them(pages):
    for path in pages.values():
        text = path.read_text()
        run = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        policy = policy_of(text)
        expected = policy_of_parts(run, styles)
        assert policy["script-src"] == expected["script-src"]
        assert policy["style-src"] == expected["style-src"]


def policy_of_parts(run: list[str], styles: list[str]) -> dict[str, str]:
    said = content_policy(run, styles)
    return dict(one.strip().split(" ", 1) for one in said.split(";"))
