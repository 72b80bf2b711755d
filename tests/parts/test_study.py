"""Objects of a program in a study, backbones of every make, helper processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import aisthesis as ais
import aisthesis.report.write
from aisthesis.agreement import Metric
from aisthesis.errors import RequestError
from aisthesis.execution import processes
from aisthesis.miniature import render_study
from aisthesis.parts import only_remembered
from aisthesis.studies.shared.catalogue import layers_of

NETWORKS = """
import torch
from torch import nn
import aisthesis as ais

def tiny(weights="none", seed=0, layer="0", input_px=32):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU())
    transform = ais.Transform(input_px, input_px, mean=(0.5,) * 3, std=(0.25,) * 3)
    return ais.Backbone(network, layer=layer, embed="pool", transform=transform, name="tiny")

number = 3

def wrong():
    return number
"""
QUICK = {"fit": {"epochs": 1}, "bootstrap": 0, "faithfulness": {"images": 0}}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("s") / "p", 8, seed=2, size_px=32)


@pytest.fixture
def networks(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(aisthesis.report.write, "write_report", lambda folder, **_: folder)
    path = tmp_path / "own_networks.py"
    path.write_text(NETWORKS)
    yield path
    sys.modules.pop("own_networks", None)


def same(a, b):
    return torch.ones(len(a))


def metric(name: str = "always_one") -> Metric:
    return Metric(name, "One", "lower", 0.0, float("inf"), "one", "all", "never", same)


def study(planted, out: Path, **keys) -> ais.Study:
    return ais.Study(images=planted.images, ratings=planted.ratings, out=out, **QUICK | keys)


def a_backbone(bias: float = 0.0) -> ais.Backbone:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU())
    with torch.no_grad():
        network[0].bias += bias
    transform = ais.Transform(32, 32, mean=(0.5,) * 3, std=(0.25,) * 3)
    return ais.Backbone(network, layer="0", embed="pool", transform=transform, name="own net")


def test_objects_make_a_study_that_is_done_again_when_they_change(planted, networks, tmp_path):
    keys = {"metrics": ["cosine", metric()], "backbones": [a_backbone(), "own_networks:tiny"]}
    made = study(planted, tmp_path / "out", **keys).run()
    assert set(made.agreement["metric"]) == {"cosine", "always_one"}
    assert set(made.predictions["backbone"]) == {"own net", "own_networks:tiny"}
    record = made.folder.provenance()["parts"]["metrics"]["always_one"]
    assert (record["direction"], record["high"]) == ("lower", None)
    assert set(study(planted, tmp_path / "out", **keys).status()["state"]) == {"done"}
    opened = ais.Study.open(tmp_path / "out")
    assert set(opened.status()["state"]) == {"done"}
    other = study(
        planted, tmp_path / "out", **keys | {"backbones": [a_backbone(1.0), *keys["backbones"][1:]]}
    )
    found = other.status().set_index(["stage", "of"])["state"]
    assert found["fit", "own net"] == "stale"
    assert found["fit", "own_networks:tiny"] == "done"


def test_a_head_of_the_users_own_is_fitted_kept_and_explained(planted, networks, tmp_path):
    networks.with_name("own_heads.py").write_text(
        "from torch import nn\ndef linear(dim):\n    return nn.Linear(dim, 1, bias=False)\n"
    )
    keys = {"backbones": ["own_networks:tiny"], "explain": "all", "metrics": ["cosine"]}
    asked = study(planted, tmp_path / "out", **keys, fit={"epochs": 40, "head": "own_heads:linear"})
    made = asked.run(until="explain")
    assert set(made.status()["state"].iloc[:2]) == {"done"}
    assert made.maps.dataset("own_networks:tiny")["delta_prediction"].any()
    opened = ais.Study.open(tmp_path / "out")  # no code of the folder's is run
    assert set(opened.status()["state"].iloc[:2]) == {"done"}
    assert made.predict(planted.images)["prediction"].notna().all()
    other = study(planted, tmp_path / "out", **keys, fit={"epochs": 40, "head": nothing_like_it})
    assert "head" in other.status()["why"].iloc[0]


def nothing_like_it(dim: int) -> nn.Module:
    return nn.Linear(dim, 1)


def test_objects_are_refused_where_other_processes_would_need_them(planted, networks, tmp_path):
    asked = study(planted, tmp_path / "out", metrics=[metric()], backbones=["own_networks:tiny"],
                  engine="processes")  # fmt: skip
    with pytest.raises(RequestError, match=r"always_one is an object of this program, which other"):
        asked.run()


def test_a_helper_process_brings_modules_itself(networks) -> None:
    (networks.parent / "own_metric_module.py").write_text(
        "from aisthesis.agreement import METRICS\nimport dataclasses\n"
        "twin = dataclasses.replace(METRICS['mse'], name='twin', of_cosine=None)\n"
    )
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    with processes._helper(1, []) as ask:
        table = ask(ais.agree, (*maps, ["mse", "own_metric_module:twin"]))
    assert np.allclose(table["mse"], table["twin"])
    with only_remembered({}):  # what helpers inherit
        assert os.environ["AISTHESIS_ONLY_REMEMBERED"] == "1"
    assert "AISTHESIS_ONLY_REMEMBERED" not in os.environ


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"name": "own_networks:number"}, r"as an ais.Backbone, a function that makes one or a"),
        ({"name": "own_networks:wrong"}, r"own_networks:wrong to make an ais.Backbone, got int"),
        ({"name": "own_networks:tiny", "view": "pad"}, r"own_networks:tiny does not take view"),
        ({"name": "own_networks:tiny", "layer": "9"}, r"layer"),
        ({"name": "given:gone"}, r"was given as an object of a program, which is not here"),
    ],
)
def test_what_is_no_backbone_is_refused_before_any_work(planted, networks, tmp_path, asked, words):
    with pytest.raises(RequestError, match=words):
        study(planted, tmp_path / "out", backbones=[asked]).run()
    assert not (tmp_path / "out").exists()


def test_a_backbone_of_one_s_own_by_name(networks) -> None:
    made = ais.backbone("own_networks:tiny", layer="1", input_px=40)
    assert made.layer == "1"
    assert made.input_px == 40
    assert layers_of("own_networks:tiny")["layer"].tolist() == ["0", "1"]
