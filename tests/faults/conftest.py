"""One small study of rendered images, run once; its odd names and labels go into the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aisthesis.cli import main
from aisthesis.miniature import render_study

_STUDY = """\
images = "p/images"
ratings = "p/ratings.csv"
out = "study"
bootstrap = 20
inference_images = 4
device = "cpu"
backbones = [{name = "miniature:vgg16"}]

[fit]
epochs = 4
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A folder with `p` (images and ratings), `study.toml` and the `study` folder it makes."""
    root = tmp_path_factory.mktemp("finished")
    planted = render_study(root / "p", 16, seed=3, size_px=96)
    assert planted.images == root / "p/images"
    (root / "study.toml").write_text(_STUDY, encoding="utf-8")
    assert main(["report", str(root / "study.toml")]) == 0
    return root


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy to be damaged, with its own images, ratings and study file."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
