"""A real study whose names are markup: the report shows them as text and runs none of it."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest

from aisthesis.cli.main import main
from aisthesis.names.labels import slug

NAMES = [
    "<script>alert(1)<",
    '"><img src=x onerror=alert(2)>.png',
    "' onmouseover='alert(3).png",
    "&lt;b&gt;&amp;.png",
    "]]>--><!--.png",
    "{{7*7}}{%x%}.png",
    "\u2028\u2029.png",
]
TITLE = "</title></script><script>alert(4)</script>&\"'<b>"
LABEL = "<u>a&b\"'<script>alert(5)"


class Page(HTMLParser):
    """Tags, attributes, text, and what stands in scripts by their id."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: dict[str, str] = {}
        self.texts: list[str] = []
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._script = dict(attrs).get("id", f"own{len(self.tags)}") if tag == "script" else None

    def handle_endtag(self, tag):
        self._script = None

    def handle_data(self, data):
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        else:
            self.texts.append(data)


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    root = tmp_path_factory.mktemp("markup")
    shutil.copytree(finished / "p", root / "p")
    table = pd.read_csv(root / "p/ratings.csv", dtype={"image": str})
    renamed = {}
    for number, old in enumerate(sorted(table["image"].unique())):
        new = NAMES[number % len(NAMES)]
        new = new if new.endswith(".png") else f"{new}x.png"
        renamed[old] = f"{number}{new}"
        (root / "p/images" / old).rename(root / "p/images" / renamed[old])
    table["image"] = table["image"].map(renamed)
    if "rater" in table:
        table["rater"] = "<script>alert(6)</script>" + table["rater"].astype(str)
    table.to_csv(root / "p/ratings.csv", index=False)
    study = (finished / "study.toml").read_text(encoding="utf-8")
    second = f'{{name = "miniature:vgg19", input_px = 96, label = {json.dumps(LABEL)}}}'
    study = study.replace("input_px = 96}]", f"input_px = 96}}, {second}]")
    study = study.replace("bootstrap", f'title = {json.dumps(TITLE)}\nexplain = "all"\nbootstrap')
    (root / "study.toml").write_text(study, encoding="utf-8")
    assert main(["report", str(root / "study.toml")]) == 0
    text = (root / "study/report.html").read_text(encoding="utf-8")
    return Page(text), text, list(renamed.values())


def test_no_markup_of_a_name_becomes_a_tag(page):
    parsed, text, _ = page
    assert "<script>alert" not in text
    assert "u" not in parsed.tags
    assert TITLE not in text
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert not [v for name, v in parsed.attributes if name == "src" and v in ("x", "x ")]
    assert not [script for script in parsed.scripts.values() if script.startswith("alert(")]


def test_the_names_are_shown_as_they_are(page):
    parsed, _, names = page
    seen = " ".join(parsed.texts + [value for _, value in parsed.attributes])
    assert TITLE in seen
    assert LABEL in seen
    assert any(name in seen for name in names)


def test_the_data_in_the_page_hold_the_names_whole(page):
    parsed, text, names = page
    data = json.loads(parsed.scripts["browser-data"])
    assert {image["name"] for image in data["images"]} == set(names)
    assert LABEL in data["backbones"]
    raw = text.split('id="browser-data">')[1].split("</script>")[0]
    assert "<" not in raw
    assert "&" not in raw


def test_the_page_asks_for_nothing_elsewhere(page):
    parsed, _, _ = page
    for name, value in parsed.attributes:
        if name in ("src", "href", "action", "data", "poster", "srcset"):
            assert not value.startswith(("http:", "//", "javascript:")), value


def test_no_file_is_named_after_markup(page):
    assert "/" not in slug(LABEL)
    assert slug("../../x") == ".._.._x"
