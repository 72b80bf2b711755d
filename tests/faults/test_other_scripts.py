"""Names in other scripts and in no encoding: in figures, and as working folders."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from aisthesis.cli.main import main
from aisthesis.report.charts import letters

from .harness import unclear


def _pair(first: str, second: str) -> list[str]:
    return ["pair", first, second, "--backbone", "miniature:vgg16", "--out", "pair.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_working_folder_that_is_no_utf_8(broken_planted, tmp_path, monkeypatch, capsys) -> None:
    root = os.fsencode(tmp_path) + b"/\xff"
    os.makedirs(root)  # noqa: PTH103 - a name that is no text
    monkeypatch.chdir(os.fsdecode(root))
    assert main(["planted", "--n", "6", "--size", "64", "--out", "p"]) == 0
    assert main(_pair("p/images/0000.png", "p/images/0001.png")) == 0
    capsys.readouterr()
    shutil.copy(broken_planted.ratings, "ratings.csv")
    rated = ["--images", str(broken_planted.images), "--ratings", "ratings.csv"]
    for command in (
        ["run", *rated, "--out", "study", "--backbones", "miniature:vgg16"],
        ["status", "study"],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("error: ")
        assert not unclear(said)
    assert sorted(os.listdir(".")) == ["p", "pair.npz", "pair.png", "ratings.csv"]  # noqa: PTH208


def test_letters_that_no_font_has(broken_planted, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(letters, "_fallbacks", lambda: ())
    monkeypatch.chdir(tmp_path)
    for name, old in (("花.png", "0000.png"), ("山.png", "0001.png")):
        shutil.copy(broken_planted.images / old, name)
    assert main(_pair("花.png", "山.png")) == 0
    said = capsys.readouterr().err
    assert said.count("warning: no installed font has all letters of 花.png, 山.png: ") == 1
    assert "Glyph" not in said
