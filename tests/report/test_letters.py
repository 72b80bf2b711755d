"""Letters of other scripts in figures: drawn, or told in one sentence."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from matplotlib.figure import Figure

from aisthesis.report import letters
from aisthesis.report.alignment.figures import save_png
from aisthesis.report.figures import save_figure

CJK = "花と\u2009山"


def _figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.set_title(f"known – words\n{CJK}")
    axes.set_yticks([0, 1], ["plain", "影"])
    return figure


@pytest.mark.parametrize("kind", ["study", "alignment"])
def test_letters_that_no_font_has_are_told_once(kind, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(letters, "_fallbacks", lambda: ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if kind == "study":
            lines = save_figure(_figure(), pd.DataFrame({"a": [1]}), tmp_path / "f")
        else:
            lines = save_png(_figure(), tmp_path / "f.png")
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
    figure = _figure()
    with letters.fitted_letters(figure) as lines:
        assert lines == []
    axes = figure.axes[0]
    assert axes.title.get_fontfamily()[1:] == ["one", "three"]
    assert axes.get_yticklabels()[1].get_fontfamily()[1:] == ["three"]
    assert len(axes.get_yticklabels()[0].get_fontfamily()) == 1


def test_every_installed_font_can_be_asked() -> None:
    found = letters._fallbacks()
    assert all(isinstance(letters._letters_of(path), frozenset) for _, path in found)
    assert not any(name.startswith("Last Resort") for name, _ in found)
