"""Dead heads and undefined maps are named, counted, and kept out of what is shown large."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

import aisthesis.studies.ratings.fitting.heads as fit_module
from aisthesis import Study
from aisthesis.execution.progress import ProgressReporter
from aisthesis.heads import MLPHead
from aisthesis.miniature import render_study
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.pictures.showcases import showcases
from aisthesis.report.sentences.cautions import cautions
from aisthesis.report.write import _hero
from aisthesis.studies.ratings.fitting.dead_heads import unmoved, with_dead

NAMES = tuple("abcdef")


def stack(label, dead=(), **spoilt):
    """Maps of six images; `spoilt` names the flat and the undefined ones of each kind."""
    rng = np.random.default_rng(len(label))
    kinds = {kind: rng.normal(size=(6, 3, 3)).astype(np.float32) for kind in ("ais", "evidence")}
    for kind, images in spoilt.items():
        for name, value in images.items():
            kinds[kind][NAMES.index(name)] = value
    return BackboneMaps(label, NAMES, kinds, (None,) * 6, frozenset(dead))


def test_showcases_have_defined_maps_by_every_network_and_no_dead_seed():
    maps = {
        "one": stack("one", dead="a", ais={"b": np.nan}),
        "other": stack("other", evidence={"c": 2.5, "a": 0.0}),
    }
    found = showcases(maps, NAMES)
    assert found.images == ["d", "e", "f"]
    assert (found.n_left_out, found.n_dead) == (3, 1)
    assert found.words == (
        "3 images are left out of the choice: 1 where a head of some seed is dead and 2 where a "
        "network’s map is flat or undefined."
    )
    assert showcases({"one": stack("one")}, NAMES).words == ""


def test_where_no_image_is_whole_the_least_spoilt_are_taken():
    everywhere_dead = {"one": stack("one", dead=NAMES, ais={"a": np.nan})}
    assert showcases(everywhere_dead, NAMES).images == ["b", "c", "d", "e", "f"]
    unrated = {"one": stack("one", ais=dict.fromkeys(NAMES, np.nan))}
    assert showcases(unrated, NAMES).images == list(NAMES)
    nothing = {"one": stack("one", evidence=dict.fromkeys(NAMES, 0.0))}
    assert showcases(nothing, NAMES).images == []


class Page:
    name = kind = "evidence"
    meaning, unit = "Red raises it.", "rating units"
    cards = ({"name": "b", "why": "networks agree most (AIS maps); highest human rating"},)


@pytest.mark.parametrize(
    ("rating_of_a", "words"),
    [
        (5.0, "The explained image that people rated"),
        (9.0, "Of the images that the examples were"),
        (7.0, "One of the explained images that people"),
    ],
)
def test_the_headline_picture_is_called_the_highest_only_where_it_is(rating_of_a, words):
    hero = _hero([Page()], pd.Series({"a": rating_of_a, "b": 7.0}), "evidence")
    assert hero["card"]["name"] == "b"
    assert hero["who"].startswith(words)


def test_a_head_is_silent_where_none_of_its_units_is_active():
    torch.manual_seed(0)
    head = MLPHead(4, hidden=3).eval()
    embedding = torch.randn(50, 4)
    active = torch.relu(head.hidden(embedding)).sum(1) > 0
    assert torch.equal(head.silent(embedding), ~active)
    with torch.no_grad():
        head.hidden.bias -= 100
        assert head.silent(embedding).all()
        assert len(head(embedding).unique()) == 1


def test_images_that_no_channel_moves_are_counted_by_seed():
    delta = np.random.default_rng(0).normal(size=(2, 5, 3))
    delta[0, 1:3] = 0
    delta[1, 4, :2] = 0
    assert unmoved(delta) == [2, 0]
    found = with_dead({"dead_heads": [{"stage": "fit", "seed": 3, "n": 1, "of": 9},
                                      {"stage": "explain", "seed": 3, "n": 7, "of": 9}]},
                      "explain", [3, 4], [2, 0], 5)  # fmt: skip
    assert found == [{"stage": "fit", "seed": 3, "n": 1, "of": 9},
                     {"stage": "explain", "seed": 3, "n": 2, "of": 5}]  # fmt: skip


class Listening(ProgressReporter):
    def __init__(self):
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


def test_a_dead_head_is_told_by_backbone_and_seed_and_recorded(tmp_path, monkeypatch):
    """One of two heads loses all of its hidden units."""
    planted = render_study(tmp_path / "planted", 16, seed=1)
    fitted = fit_module.fit_mlp

    def fit(*args, seed, **options):
        found = fitted(*args, seed=seed, **options)
        if seed == 1:
            with torch.no_grad():
                found.head.hidden.bias -= 1e6
        return found

    monkeypatch.setattr(fit_module, "fit_mlp", fit)
    reporter = Listening()
    study = Study(
        images=planted.images, ratings=planted.ratings, backbones=["miniature:vgg16"], seeds=2,
        out=tmp_path / "out", bootstrap=0, fit={"epochs": 2}, device="cpu", reporter=reporter,
    )  # fmt: skip
    study.run(until="explain")
    label, n = "miniature:vgg16", len(study.predictions.query("seed == '1'"))
    told = [message for message in reporter.warnings if message.startswith(f"{label}, seed 1: on ")]
    assert f"on {n} of {n} images the head predicts the same constant" in told[0]
    assert "no channel changes the head's prediction at all" in told[1]
    provenance = json.loads((study.folder.root / "provenance.json").read_text())
    dead = provenance["backbones"][label]["dead_heads"]
    explained = provenance["explained"]["n"]
    assert dead == [{"stage": "fit", "seed": 1, "n": n, "of": n},
                    {"stage": "explain", "seed": 1, "n": explained, "of": explained}]  # fmt: skip
    caution = next(c for c in cautions(provenance, pd.DataFrame(), {}) if c.title == "Dead heads")
    assert caution.level == "serious"
    assert caution.items[1].startswith(f"{label}, seed 1: on {explained} of {explained} explained")
    record = read_study_record(study.folder.root)
    assert set(record.maps[label].dead) == set(record.explained)
