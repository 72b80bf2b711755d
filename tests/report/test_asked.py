"""The report tells what the study file asks for now, whatever an earlier run left behind."""

from __future__ import annotations

import tomllib

import pandas as pd
import pytest
import tomli_w

from aisthesis.report.folder.asked import Asked
from aisthesis.report.folder.record import read_study_record

OTHERS = ["ais", "evidence", "ais_place", "evidence_place", "lime", "random"]
LEFT = {
    "methods.csv": "backbone,metric,method_a,method_b,mean,n\nvgg16,cosine,ais,lime,0.5,3\n"
    "vgg16,cosine,ais,evidence,0.6,3\n",
    "faithfulness.csv": "backbone,method,measure,baseline,mean,n\nvgg16,lime,road,mean,0.5,3\n"
    "vgg16,random,road,mean,0.1,3\nvgg16,ais,road,mean,0.6,3\n",
    "cascade.csv": "backbone,method,stage,mean,n\nvgg16,lime,1,0.5,3\nvgg16,ais,1,0.4,3\n",
}


@pytest.fixture
def study(make_study):
    """A folder with everything an earlier run was asked for."""
    made = make_study(labels=("vgg16", "vgg19"), localisation=True, n_test=3, n_train=2)
    for name, text in LEFT.items():
        (made / name).write_text(text)
    for name in ("agreement.csv", "agreement_images.csv"):
        table = pd.read_csv(made / name)
        lime = table[table["map"] == "ais"].assign(map="lime")
        pd.concat([table, lime]).to_csv(made / name, index=False)
    return made


def read(study, **keys):
    """Read the folder with some keys of its study file changed; None takes one away."""
    file = study / "study.toml"
    config = tomllib.loads(file.read_text()) | {"explainers": OTHERS} | keys
    file.write_text(tomli_w.dumps({k: v for k, v in config.items() if v is not None}))
    return read_study_record(study)


def test_what_is_asked_for_is_told(study) -> None:
    record = read(study)
    assert len(record.localisation) > 0
    assert set(record.faithfulness["method"]) == {"lime", "random", "ais"}
    assert "lime" in set(record.methods["method_b"])
    assert "lime" in set(record.between["map"]) & set(record.between_images["map"])


def test_without_masks_no_place_is_known(study) -> None:
    assert read(study, masks=None).localisation.empty


def test_explainers_that_are_asked_for_no_longer_are_in_no_table(study) -> None:
    record = read(study, explainers=OTHERS[:4], faithfulness={"images": 4})
    assert record.methods["method_b"].tolist() == ["evidence"]
    assert set(record.cascade["method"]) == {"ais"}
    # Random maps stand beside every method, asked for or not.
    assert set(record.faithfulness["method"]) == {"random", "ais"}
    assert not {"lime"} & (set(record.between["map"]) | set(record.between_images["map"]))


@pytest.mark.parametrize("keys", [{"faithfulness": {"images": 0}}, {"explainers": OTHERS[:4]}])
def test_maps_that_are_tested_no_longer_have_no_faithfulness(study, keys) -> None:
    record = read(study, **keys)
    assert record.faithfulness.empty
    assert record.cascade.empty


def test_maps_of_backbones_that_are_asked_for_no_longer_are_left_out(study) -> None:
    assert list(read(study).maps) == ["vgg16", "vgg19"]
    assert list(read(study, backbones=[{"name": "vgg19"}]).maps) == ["vgg19"]


def test_a_file_that_does_not_say_leaves_all_as_it_is() -> None:
    asked = Asked.by({})
    assert asked.left_out == ()
    assert asked.faithfulness
