"""Letters of other scripts in figures: drawn, or told in one sentence."""

from __future__ import annotations

import pandas as pd

from aisthesis.report.charts import letters
from aisthesis.report.charts.drawing import Drawing
from aisthesis.report.charts.figures import save_figure

CJK = "花と\u2009山"


def _drawing() -> Drawing:
    drawing = Drawing(200, "words", ("known – words", CJK))
    for k, said in enumerate(("plain", "影")):
        drawing.text(0, 20 + 20 * k, said)
    drawing.height = 50
    return drawing


def test_letters_that_no_font_has_are_told_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(letters, "_fallbacks", lambda: ())
    lines = save_figure([_drawing()], pd.DataFrame({"a": [1]}), tmp_path / "f")
    assert set(lines) == {CJK, "影"}
    said = letters.on_missing_letters([*lines, *lines, "月", "日"])
    assert said.startswith("no installed font has all letters of ")
    assert said.count("影") == 1
    assert "and 1 more" in said
    assert letters.on_missing_letters([]) == ""


def test_a_font_that_has_the_letters_is_taken(monkeypatch) -> None:
    """Any installed font, tried in order; here fonts that are said to have the letters."""
    own = {"one": frozenset("花と"), "two": frozenset("x"), "three": frozenset("山影")}
    monkeypatch.setattr(letters, "_fallbacks", lambda: tuple((name, name) for name in own))
    true = letters._letters_of
    monkeypatch.setattr(letters, "_letters_of", lambda p: own[p] if p in own else true(p))
    assert [letters._font_of(sign) for sign in "花と山影"] == ["one", "one", "three", "three"]
    assert letters._font_of("a") == letters._font_of("–") == letters._own()
    assert letters._font_of("月") == ""


def test_a_line_is_as_wide_as_its_letters_and_shortened_to_fit() -> None:
    wide = letters.text_width("network", 12)
    assert 30 < wide < 84
    assert letters.text_width("networks", 24) > 2 * wide
    assert letters.shortened("network", wide, 12) == "network"
    cut = letters.shortened("network_of_a_long_name", wide, 12)
    assert cut.endswith("…")
    assert letters.text_width(cut, 12) <= wide


def test_every_installed_font_can_be_asked() -> None:
    found = letters._fallbacks()
    assert all(isinstance(letters._letters_of(path), frozenset) for _, path in found)
    assert not any(name.startswith("Last Resort") for name, _ in found)
