"""Heads and localisation, shared out among workers: what comes of them is the same."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest

from aisthesis import Study
from aisthesis.execution import jobs
from aisthesis.execution.jobs import Serial, Task, forget_loaded, run_task
from aisthesis.faithfulness import load_masks, localisation_table
from aisthesis.images import Transform
from aisthesis.store.maps_store import open_maps
from aisthesis.studies.ratings.fitting import embed, fit
from aisthesis.studies.ratings.testing import localise
from aisthesis.studies.ratings.testing.localise import localise_backbones, stored_maps


class Elsewhere:
    """Does tasks as workers do: each from what travels, in any order, with nothing loaded."""

    pooled = True

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        for task in reversed(tasks):
            forget_loaded()
            self.jobs.append(type(task.job).__name__)
            yield run_task(pickle.loads(pickle.dumps(task)))
        forget_loaded()


@pytest.fixture
def copied(study, make_study, tmp_path):
    """Give a copy of the study, with some keys others."""

    def copy(name: str, **keys) -> Study:
        shutil.copytree(study.folder.root, tmp_path / name)
        return make_study(tmp_path / name, **keys)

    return copy


@pytest.mark.parametrize("most_in_memory", [embed.MOST_IN_MEMORY, 0])
def test_heads_are_the_same_by_workers(study, copied, monkeypatch, most_in_memory) -> None:
    monkeypatch.setattr(fit, "WORTH_WORKERS", 0)
    monkeypatch.setattr(embed, "MOST_IN_MEMORY", most_in_memory)  # 0: on the disk
    monkeypatch.setattr(jobs, "_LOADED_KEPT", 1)
    built, load = [], embed.EmbedJob.load
    monkeypatch.setattr(embed.EmbedJob, "load", lambda job: built.append(job) or load(job))
    one, workers = copied("fitted"), Elsewhere()
    one.folder.ledger.forget("fit")
    shutil.rmtree(one.folder.heads)
    with one._at_work():
        next(iter(one._stages())).do(workers)
    assert workers.jobs.count("HeadsJob") == 4  # two networks, two seeds
    assert len(built) == 2  # to find out what there is to do, each network is made once
    if most_in_memory:
        for name in ("predictions", "scores", "ridge_predictions"):
            assert (
                getattr(one.folder, name).read_bytes() == getattr(study.folder, name).read_bytes()
            )
        return
    for name in ("predictions", "ridge_predictions"):
        found, expected = (pd.read_csv(getattr(s.folder, name))["prediction"] for s in (one, study))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_maps_and_their_record_are_the_same_by_workers(study, copied) -> None:
    """Nobody plans all networks first: who makes the maps leaves the record's part behind."""
    one, workers = copied("explained"), Elsewhere()
    shutil.rmtree(one.folder.maps)
    with one._at_work():
        next(stage for stage in one._stages() if stage.name == "explain").do(workers)
    assert set(workers.jobs) == {"MapsJob"}
    records = [each.folder.provenance()["backbones"] for each in (one, study)]
    for label, (found, held) in ((n, [each[n] for each in records]) for n in records[1]):
        for key in ("ablation", "places", "sign_is_arbitrary", "flat_maps", "dead_heads"):
            assert found[key] == held[key]
        with open_maps(one.folder.maps, label) as made, open_maps(study.folder.maps, label) as own:
            for name in own.data_vars:
                np.testing.assert_array_equal(made[name].values, own[name].values)


def test_localisation_is_the_same_by_workers_and_from_whole_arrays(
    study, planted, copied, monkeypatch
) -> None:
    monkeypatch.setattr(localise, "IMAGES_A_CHUNK", 4)  # of six images
    tables = {}
    for name, executor in (("serial", Serial()), ("workers", Elsewhere())):
        one = copied(name, masks=planted.root / "masks", randomised=1)
        with one._at_work(force=True):  # random networks: three before
            localise_backbones(one._studied(), executor)
        tables[name] = one.folder.localisation.read_bytes()
    assert executor.jobs == ["LocaliseJob"] * 4  # two chunks of each network
    assert tables["workers"] == tables["serial"]
    label = "miniature:vgg16"
    with stored_maps(study.folder, study.config, label) as (names, stored):
        maps = {kind: one[:] for kind, one in stored.items()}
    transform = Transform(**study.folder.backbone_record(label)["transform"])
    masks = [
        load_masks(planted.root / "masks" / s, names, transform) for s in ("raising", "lowering")
    ]
    expected = localisation_table(label, maps, *masks, n_resamples=50)
    found = pd.read_csv(one.folder.localisation, keep_default_na=False, na_values=[""])
    rows = found[(found["backbone"] == label) & ~found["map"].str.contains("random")]
    rows = rows[rows["control"] != "random_weights"]
    np.testing.assert_allclose(
        rows[["mean", "low", "high"]], expected[["mean", "low", "high"]], rtol=1e-6
    )
