"""A study grows: what is done stays, and only what is new is computed."""

from __future__ import annotations

import pandas as pd
import pytest

from aisthesis import RequestError, Study
from aisthesis.execution.jobs import Serial
from aisthesis.execution.progress import ProgressReporter
from aisthesis.miniature import render_study
from aisthesis.store.tables import read_csv

VGG = "miniature:vgg16"
TWIN = {"name": VGG, "label": "twin", "weights": "random"}


class Told(ProgressReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def warn(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def built(monkeypatch):
    """Names of the networks that a run builds: one that is not built is not run."""
    from aisthesis.studies.ratings.testing import randomised
    from aisthesis.studies.shared import network

    names: list[str] = []
    for module in (network, randomised):
        original = module.build

        def noted(asked, *args, original=original, **keys):
            names.append(asked.label)
            return original(asked, *args, **keys)

        monkeypatch.setattr(module, "build", noted)
    return names


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Make a study of a few small pictures in one folder; keys override the defaults."""
    root = tmp_path_factory.mktemp("growth")
    planted = render_study(root / "p", 14, seed=3, size_px=64)

    def study(**keys):
        small = {
            "images": planted.images,
            "ratings": planted.ratings,
            "out": root / "s",
            "backbones": [VGG],
            "bootstrap": 0,
            "fit": {"epochs": 5, "learning_rate": 1e-3},
            "device": "cpu",
        }
        return Study(**(small | keys))

    study().run(until="explain")
    return study


def test_more_networks_and_seeds_leave_what_is_done_alone(make, built) -> None:
    root = make().folder.root
    before = read_csv(root / "predictions.csv")
    files = {
        file: file.read_bytes() for file in (root / "maps.zarr").rglob("c/*") if file.is_file()
    }
    assert files
    told = Told()
    make(backbones=[TWIN, VGG], reporter=told).run(until="explain")
    assert set(built) == {"twin"}
    assert "the study grows by twin; what is done stays" in told.lines
    assert all(file.read_bytes() == held for file, held in files.items())
    heads = {file: file.read_bytes() for file in (root / "heads").iterdir()}
    built.clear()
    make(backbones=[VGG, TWIN], seeds=2, reporter=told).run(until="fit")
    assert "the study grows by 1 more seed of every network; what is done stays" in told.lines
    assert len(list((root / "heads").iterdir())) == 4
    assert all(file.read_bytes() == held for file, held in heads.items())
    now = read_csv(root / "predictions.csv").query("backbone == @VGG and seed == '0'")
    assert before.query("seed == '0'").equals(now.reset_index(drop=True))


def test_what_would_be_lost_is_said_and_needs_force(make) -> None:
    make(backbones=[VGG, TWIN], seeds=2).run(until="fit")
    held = (make().folder.predictions).read_bytes()
    layer = [{"name": VGG, "layer": "deepest"}, TWIN]
    for change, words in (
        ({"backbones": [VGG]}, "heads and maps of twin are removed"),
        ({"backbones": layer}, f"{VGG} differs in `layer`: its maps are computed anew"),
        ({"seeds": 1}, "heads and maps of seed 1 are removed"),
        ({"seed": 5}, r"what depends on `seed` \(0 before, 5 now\) is computed anew"),
    ):
        with pytest.raises(RequestError, match=f"holds another study.*{words}.*--force"):
            make(**({"backbones": [VGG, TWIN], "seeds": 2} | change)).run(until="fit")
    assert make().folder.predictions.read_bytes() == held


def test_force_removes_what_is_left_out_and_nothing_else(make) -> None:
    make(backbones=[VGG, TWIN], seeds=2).run(until="fit")
    told = Told()
    less = make(reporter=told).run(until="fit", force=True)
    assert any("as asked for: heads and maps of" in line for line in told.lines)
    root = less.folder.root
    assert [file.name for file in (root / "heads").iterdir()] == [
        "miniature_vgg16-seed0.safetensors"
    ]
    assert set(less.predictions["backbone"]) == {VGG}
    assert not (root / "maps.zarr" / "twin").exists()
    assert list(Study.open(root).folder.backbone_records()) == [VGG]


def test_faithfulness_of_one_network_is_kept_for_the_next(make, monkeypatch) -> None:
    from aisthesis.studies.ratings.testing import faithfulness
    from aisthesis.studies.ratings.testing.tested import Measured

    asked: list[str] = []

    def measured(root, config, label, *images):
        asked.append(label)
        rows = pd.DataFrame({"backbone": [label], "method": ["ais"], "mean": [len(asked) / 3]})
        return Measured(rows, rows, rows.assign(stage=1))

    monkeypatch.setattr(faithfulness, "measure_backbone", measured)
    monkeypatch.setattr(faithfulness, "method_keys", lambda *_: dict.fromkeys(labels))
    monkeypatch.setattr(faithfulness, "maps_dependencies", lambda *given: {"of": str(given[2:])})
    monkeypatch.setattr(faithfulness, "processes_for", lambda *_: 1)
    study, labels = make(faithfulness={"images": 2}), ["a"]
    for expected in (["a"], ["a", "b"]):
        faithfulness.measure_faithfulness(study._studied(), Serial())
        assert asked == expected
        labels.insert(0, "b")
    assert list(read_csv(study.folder.faithfulness)["backbone"]) == ["b", "a"]


def test_status_of_a_running_study_counts_what_is_done_and_reads_no_image(
    make, monkeypatch
) -> None:
    from aisthesis.store.lock import folder_lock

    study = make()
    monkeypatch.setattr(type(study), "inputs", property(lambda _: pytest.fail("images were read")))
    with folder_lock(study.folder.root):
        rows = study.status().set_index(["stage", "of"])
    assert rows.loc[("run", "study"), "state"] == "running"
    assert "at work (process" in rows.loc[("run", "study"), "why"]
    assert tuple(rows.loc[("fit", VGG), ["done", "total"]]) == (1, 1)
    assert tuple(rows.loc[("explain", VGG), ["state", "done", "total"]]) == ("done", 1, 1)
    assert rows.loc[("agree", "all backbones"), "state"] == "to do"
