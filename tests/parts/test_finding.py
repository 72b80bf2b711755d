"""The user's own parts by name, as objects, and from packages that declare them."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import aisthesis as ais
from aisthesis.agreement import METRICS, Metric
from aisthesis.agreement.metrics import metric, metrics_named
from aisthesis.config import StudyConfig, checked
from aisthesis.errors import RequestError
from aisthesis.names.explainers import checked_names
from aisthesis.parts import bring, given_name, is_reference, only_remembered, own_name


def half(a, b):
    return torch.full((len(a),), 0.5)


def as_metric(name: str = "own_half", **changed) -> Metric:
    facts = {"label": "Half", "direction": "higher", "low": 0.0, "high": 1.0, "formula": "half",
             "blind_to": "all", "undefined_when": "never", "compute": half}  # fmt: skip
    return Metric(name=name, **facts | changed)


own_half = as_metric()
PLAIN = np.random.default_rng(0).normal(size=(2, 3, 4, 4))


@pytest.fixture
def module(tmp_path, monkeypatch) -> Path:
    """A module of the user's own, under a name that is free."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own_parts_module.py"
    path.write_text("text = 'no metric'\n\nclass Kind:\n    name = 'Kind'\n")
    yield path
    sys.modules.pop("own_parts_module", None)


def test_names_that_are_references() -> None:
    assert all(map(is_reference, ("a:b", "a.b_c:D.e", "my_nets:mine:narrow", "my_nets:f:net.w-2")))
    assert not any(
        map(is_reference, ("vgg16", "timm:resnet18", "miniature:vgg16", "torchvision:vgg16", "a:",
                           ":b", "a b:c", "1a:b", "a/b:c"))
    )  # fmt: skip
    assert own_name("my.module:Kind.part") == "part"
    assert own_name("cosine") == "cosine"


def test_an_object_does_where_a_name_does() -> None:
    by_object = ais.agree(*PLAIN, metrics=["cosine", own_half])
    assert by_object["own_half"].tolist() == [0.5] * 3
    pd.testing.assert_series_equal(by_object["cosine"], ais.agree(*PLAIN)["cosine"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_x:a", r"no module 'no_such_module_x' among the installed packages"),
        ("own_parts_module:tex", r"has no 'tex'; did you mean text\?"),
        ("own_parts_module:text", r"as an aisthesis.agreement.Metric, got str"),
        ("cosin", r"there is no agreement metric 'cosin'; did you mean cosine"),
    ],
)
def test_what_is_no_metric_is_said_in_one_sentence(module, name, words) -> None:
    with pytest.raises(RequestError, match=words):
        ais.agree(*PLAIN, metrics=[name])


def test_a_module_that_fails_is_said_in_one_sentence(module) -> None:
    module.write_text("1 / 0\n")
    with pytest.raises(RequestError, match=r"cannot be imported: ZeroDivisionError: division"):
        metric("own_parts_module:a")


def test_a_name_that_is_taken_is_refused(module) -> None:
    with pytest.raises(RequestError, match=r"expected an explainer, got 'grad_cams'; did you mean"):
        checked_names(["grad_cams"])
    with pytest.raises(RequestError, match=r"would be called 'lime' in tables, as another is"):
        checked_names(["lime", "own:lime"])
    with pytest.raises(RequestError, match=r"would be called 'edges' in tables"):
        checked_names(["a:edges", "b:edges"])
    assert checked_names(["a:edges", "lime"])[-2:] == ("lime", "a:edges")
    module.write_text(
        "from aisthesis.agreement import METRICS\ncosine = METRICS['cosine']\nother = cosine\n"
    )
    for name in ("cosine", "other"):
        with pytest.raises(RequestError, match=r"is called 'cosine': give it the name of its"):
            metric(f"own_parts_module:{name}")


def test_an_object_is_named_by_the_module_that_holds_it(module) -> None:
    module.write_text("class Kind:\n    name = 'found'\n\n\nfound = Kind()\n")
    held = bring("explainer", "own_parts_module:found")
    assert given_name("explainer", held) == "own_parts_module:found"
    assert given_name("metric", as_metric("own lost")) == "given:own_lost"
    with pytest.raises(RequestError, match="expected a metric with a `name`, got int"):
        given_name("metric", 3)


def test_nothing_is_brought_while_a_folder_is_open(module) -> None:
    module.write_text("raise SystemExit('this was run')\n")
    with only_remembered(None), pytest.raises(RequestError, match="not run from a study's folder"):
        metric("own_parts_module:a")


def test_a_package_declares_parts_that_are_named_without_module(module, monkeypatch) -> None:
    module.write_text(
        "from aisthesis.agreement import METRICS\nimport dataclasses\n"
        "declared = dataclasses.replace(METRICS['cosine'], name='declared')\n"
    )
    points = metadata.EntryPoints(
        [metadata.EntryPoint("declared", "own_parts_module:declared", "aisthesis.metrics")]
    )
    monkeypatch.setattr(metadata, "entry_points", lambda **asked: points.select(**asked))
    found = ais.agree(*PLAIN, metrics=["declared", "cosine"])
    assert found["declared"].tolist() == found["cosine"].tolist()
    with pytest.raises(RequestError, match="did you mean declared"):
        metrics_named(["declare"])


def test_a_study_file_is_checked_without_running_what_it_names(module) -> None:
    module.write_text("raise SystemExit('this was run')\n")
    values = {"images": "a", "ratings": "b", "out": "c", "metrics": ["own_parts_module:a"]}
    values |= {"explainers": ["own_parts_module:b"], "backbones": ["own_parts_module:c"]}
    config = checked(StudyConfig, values, "test")
    assert config.explainers[-1] == "own_parts_module:b"
    assert config.backbones[0].label == "own_parts_module:c"


def test_the_package_s_metrics_keep_their_place() -> None:
    assert metrics_named(["mse", own_half, "mse"]) == [METRICS["mse"], own_half]
    assert metric("own_half") is own_half
