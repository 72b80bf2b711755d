"""Every option of a study, when it changes, changes what the methods say, or is named here."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from pydantic import BaseModel
from reading import checks, table_read

from aisthesis.config import StudyConfig
from aisthesis.names.explainer_table import EXPLAINER_TABLE
from aisthesis.report.folder.record import INFERENCE, StudyRecord
from aisthesis.report.sentences.methods import methods_text

PATHS = "where a file is, not what was done"
ENGINE = "how it is computed, not what"
TABLE = "how the table of ratings is read: the record's `read_as` says it"
#: Options without a sentence, each with the reason.
WITHOUT = {
    **dict.fromkeys(("images", "ratings", "out", "image_list", "weights_dir"), PATHS),
    **dict.fromkeys(("device", "batch_size", "engine", "workers", "threads", "keep_activations"), ENGINE),
    **dict.fromkeys(("dask.scheduler", "dask.cluster", "dask.options"), ENGINE),
    "title": "a name", "human_maps.path": PATHS,
    **{f"human_maps.{name}": "a column of its table" for name in ("image", "x", "y", "subject")},
    **{f"columns.{name}": TABLE for name in (
        "image_a", "image_b", "choice", "votes_a", "votes_b", "names", "image", "rating", "rater",
        "layout", "raters", "votes", "scale", "where", "retests", "match", "winner", "loser", "reader",
    )},
}  # fmt: skip
#: Another value of every other option.
CHANGED = {
    "backbones.name": "vgg19", "backbones.label": "mine", "backbones.layer": "features.34",
    "backbones.weights": "random", "backbones.input_px": 256, "backbones.view": "squash",
    "places.window": 3, "places.replace": "mean", "seed": 5, "on_error": "skip", "seeds": 4,
    "test": 0.3, "validation": 0.1, "split": "split.csv", "explain": "all", "explainers": ["grad_cam"],
    "metrics": ["cosine"], "unrated": "explain", "masks": None, "randomised": 7,
    "bootstrap": 500, "inference_images": 100, "ensemble": True,
    "human_maps.kind": "clicks", "human_maps.blur_px": 24.0,
    "fit.head": "my_heads:linear", "fit.hidden": 8, "fit.dropout": 0.5, "fit.learning_rate": 0.01, "fit.weight_decay": 0.5,
    "fit.batch_size": 16, "fit.epochs": 40, "fit.patience": 3,
    "explaining.cells": 28, "explaining.integration_steps": 8, "explaining.lime_samples": 50,
    "explaining.lime_superpixels": 20, "explaining.occlusion_px": 16,
    "explaining.multiscale_px": [3, 9], "explaining.stride_px": 4.0,
    "faithfulness.images": 5, "faithfulness.steps": 4, "faithfulness.cell_px": 8,
    "faithfulness.squares": 9, "faithfulness.baselines": ["mean"],
    "faithfulness.cascade_images": 2,
}  # fmt: skip


def options(model: type[BaseModel] = StudyConfig, prefix: str = "") -> list[str]:
    """Every option of the study file, sections and backbones walked through: `fit.hidden`."""
    found = []
    for name, field in model.model_fields.items():
        inner = [field.annotation, *get_args(field.annotation)]
        sections = [t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)]
        if sections:
            found += options(sections[0], f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def asked() -> dict[str, Any]:
    """A study file that asks for everything, with every default filled in."""
    config = StudyConfig(
        images="i", ratings="r.csv", out="o", masks="m", explainers=list(EXPLAINER_TABLE),
        backbones=[{"name": "vgg16", "layer": "features.28"}], faithfulness={"images": 8}, seeds=2,
        human_maps="h.csv",
    )  # fmt: skip
    return config.model_dump(mode="json")


def changed(name: str) -> dict[str, Any]:
    """The same with one option changed."""
    values = copy.deepcopy(asked())
    *sections, key = name.split(".")
    part: Any = values
    for section in sections:
        part = part[section]
        part = part[0] if isinstance(part, list) else part
    assert part[key] != CHANGED[name]
    part[key] = CHANGED[name]
    return values


def network(config: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """What a run records of a backbone."""
    px = one["input_px"] or 224
    window, replace = config["places"]["window"], config["places"]["replace"]
    return {
        "network": f"torchvision {one['name']}", "layer": one["layer"], "map_shape": [512, 14, 14],
        "weights": {"kind": "random" if one["weights"] == "random" else "official",
                    "source": f"{one['name']}.pth", "sha256": "ab" * 32},
        "transform": {"resize_px": px + 32, "crop_px": px, "view": one["view"] or "crop",
                      "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.2] * 3},
        "places": {"window": 1 if window == "auto" else window, "replace": replace},
        "best_epochs": [12, 30],
    }  # fmt: skip


def ran(config: dict[str, Any]) -> StudyRecord:
    """The record of a run of such a study file."""
    labels = [one["label"] for one in config["backbones"]]
    n_test = round(config["test"] * 200)
    provenance = {
        "images": {"n": 200, "skipped": [{}] if config["on_error"] == "skip" else []},
        "ratings": {"n_images": 200},
        "splits": {"train": 100, "test": n_test, "seed": config["seed"], "seeds": config["seeds"]},
        "explained": {"which": config["explain"], "n": n_test},
        "backbones": {one["label"]: network(config, one) for one in config["backbones"]},
        "head_start": {"scale": 0.1, "bias": 0.3}, "inference": {"permutations": 9999},
    }  # fmt: skip
    ensembles = ["ensemble", "ensemble_stacking"] if config["ensemble"] else []
    some = min(config["inference_images"], 200)
    agreement = pd.DataFrame({"metric": config["metrics"]}).assign(
        map="ais", mean=0.3, n=n_test, chance=0.1, p=0.01, p_corrected=0.02, chance_n=some
    )
    places = pd.DataFrame({"map": ["ais"], "control": ["random_weights"], "p_corrected": [0.1]})
    empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in INFERENCE.items()}
    return StudyRecord(
        path=Path(), config=config, provenance=provenance, maps=dict.fromkeys(labels),
        predictions=pd.DataFrame({"backbone": [*labels, *ensembles]}),
        scores=pd.DataFrame({"backbone": []}), agreement=agreement,
        agreement_images=pd.DataFrame(), localisation=places if config["masks"] else places[:0],
        human_maps=pd.DataFrame({"mean": [0.1], "p_corrected": [0.1]}), faithfulness=pd.DataFrame(
            {"n": [config["faithfulness"]["images"]], "difference_p_corrected": [0.1]}),
        cascade=pd.DataFrame({"mean": [0.1]}), differences=pd.DataFrame({"difference": [0.1]}),
        prediction_differences=pd.DataFrame({"difference": [0.1]}), **empty,
    )  # fmt: skip


def said(config: dict[str, Any]) -> str:
    return " ".join(methods_text(ran(config)))


@checks(
    "sentences.methods.methods_text", "sentences.methods._skipped", "sentences.methods._agreement", "sentences.methods._localisation", "sentences.methods_fit.networks_text",
    "sentences.methods_fit._network", "sentences.methods_fit._transform", "sentences.methods_fit._side", "sentences.methods_fit._training",
    "sentences.methods_fit.scores_text", "sentences.methods_explainers.explainers_text",
    "sentences.methods_explainers._explainer", "sentences.methods_explainers.tests_text",
    "sentences.methods_inference._of_images", "sentences.methods._range", "sentences.methods._human_maps", "sentences.methods._division",
)  # fmt: skip
def test_every_option_that_changes_changes_what_the_methods_say():
    before = said(asked())
    table_read()
    assert "None" not in before
    assert before.count("on the same images are corrected over the") == 2 + bool(asked()["masks"])
    for name in options():
        if name in WITHOUT:
            continue
        assert name in CHANGED, f"say {name} in the methods, or say here why not"
        table_read()
        after = said(changed(name))
        assert after != before, f"{name} can change without the methods saying so"
        assert "None" not in after, name
    assert set(options()) == {*WITHOUT, *CHANGED}, "no longer an option"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("head_start", {"scale": 1.0, "bias": 0.3}),
        ("head_start", {"scale": 0.1, "bias": 0.0}),
        ("inference", {"permutations": 199}),
        ("backbones", {"vgg16": {"best_epochs": [3]}}),
    ],
)
def test_what_is_recorded_of_a_run_changes_what_the_methods_say(part, change):
    record = ran(asked())
    before = " ".join(methods_text(record))
    for key, value in change.items():
        held = record.provenance[part]
        held[key] = {**held[key], **value} if isinstance(value, dict) else value
    assert " ".join(methods_text(record)) != before


def test_nothing_is_claimed_of_what_was_not_done():
    plain = asked() | {"explainers": ["ais", "evidence"], "bootstrap": 0, "masks": None}
    record = ran(plain)
    text = " ".join(methods_text(record))
    assert "Maps were also made" not in text
    assert "interval" not in text.split("A heatmap")[0]
    without = StudyRecord(**{**vars(record), "faithfulness": pd.DataFrame(),
                             "prediction_differences": pd.DataFrame()})  # fmt: skip
    text = " ".join(methods_text(without))
    assert "true to their network" not in text
    assert "pseudo-value" not in text


def test_other_seeds_networks_and_people_are_said_not_to_be_covered():
    text = said(asked())
    assert "No interval covers other seeds, splits, networks or people." in text
    assert "stratified by rating" in text
    assert "random pairings" in text
