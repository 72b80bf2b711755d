"""One small planted study, run once; tests read what it wrote."""

from __future__ import annotations

import pytest

from aisthesis import Study
from aisthesis.miniature import render_study

#: Two kinds of networks with maps of two sizes; of the miniatures the two quickest to trace.
BACKBONES = ["miniature:vgg16", "miniature:barlow_twins"]


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("planted") / "p", 30, seed=4)


@pytest.fixture(scope="session")
def make_study(planted):
    """Make (not run) a study of the planted images; keys override the small defaults."""

    def make(out, **keys):
        small = {
            "images": planted.images,
            "ratings": planted.ratings,
            "backbones": BACKBONES,
            "seeds": 2,
            "bootstrap": 50,
            "fit": {"epochs": 40, "learning_rate": 1e-3},
            "device": "cpu",
        }
        return Study(**(small | {"out": out} | keys))

    return make


@pytest.fixture(scope="session")
def study(make_study, tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study") / "s").run()


@pytest.fixture(autouse=True)
def no_more_figures(no_figures) -> None:
    """Draw figures for the studies that tests share, and not again for every other report."""
