"""The plan of a study: its networks timed on few images, a line through all else on stand-ins."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import aisthesis as ais
from aisthesis.cli.main import main
from aisthesis.config import FaithfulnessConfig, PlacesConfig
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.studies.ratings.explaining.explain import explained_images
from aisthesis.studies.ratings.testing import tested
from aisthesis.studies.shared import expected_cost
from aisthesis.studies.shared.expected_cost import (
    MEASURED,
    ONE_TIME,
    Beside,
    Uses,
    _cost,
    _extrapolated,
    _line,
    _Run,
)
from aisthesis.studies.shared.network_costs import (
    DECLARED,
    IN_PART,
    TIMED,
    Cost,
    NetworkCosts,
    network_costs,
)
from aisthesis.studies.shared.plan import of_properties
from aisthesis.studies.shared.stand_in import stand_in, stand_in_name

NETWORKS = [
    NetworkCosts(label, "", 8, False, 500, {"build": Cost(2.0), "forward": Cost(0.1)}, notes)
    for label, notes in (("one", []), ("other", ["its trial was not run"]))
]
USES = {
    "embed": Uses({"build": 1}, {"forward": 1}),
    "explain": Uses({"build": 1}, {"forward": 2, "nobody's": 9}),
    "tested": Uses({"build": 1}, {"forward": 1}, at_once=2.0),
}
SAMPLE = SimpleNamespace(uses=lambda network, n_explained: USES)


@pytest.fixture
def hurried(monkeypatch) -> None:
    """Leave hardly any time: everything is still measured, on the fewest images."""
    monkeypatch.setattr(expected_cost, "NETWORKS_S", 4.0)
    monkeypatch.setattr(expected_cost, "BUDGET_S", 0.0)


def run_of(n: int, beside=()) -> _Run:
    seconds = {"check": 0.01 * n, "embed": 2 + 0.1 * n, "explain": 1 + 0.5 * n / 5, "report": 7.0}
    shared = {"embed": "images", "explain": "images"}
    return _Run(n, n // 5, seconds, 1000 + 50 * n, 10 * n, shared, list(beside))


def test_costs_are_extrapolated_linearly_and_shared_among_workers() -> None:
    runs = [run_of(20), run_of(60)]
    one = _extrapolated(SAMPLE, NETWORKS, runs, 1000, 200, 1)
    rows = one.stages.set_index("stage")["seconds"]
    assert rows["check"] == pytest.approx(10)
    # On stand-ins 102; two networks are built, and each passes every image once.
    assert rows["embed"] == pytest.approx(102 + 2 * (2 + 1000 * 0.1))
    assert rows["explain"] == pytest.approx(101 + 2 * (2 + 200 * 2 * 0.1))
    assert rows["report"] == pytest.approx(7)
    assert one.seconds == pytest.approx(rows.sum())
    assert one.disk_bytes == pytest.approx(51_000)
    # Read once to be checked, then by each of two networks to embed and, a fifth, to explain.
    assert one.read_bytes == pytest.approx(10_000 * (1 + 2 * 1.2))
    four = _extrapolated(SAMPLE, NETWORKS, runs, 1000, 200, 4)
    shared = four.stages.set_index("stage")["seconds"]
    assert shared["embed"] == pytest.approx(2 + 4 + (100 + 200) / 4)
    assert shared["check"] == rows["check"]
    assert one.weights_bytes == 2 * 4 * 500
    assert four.weights_bytes == 4 * one.weights_bytes
    assert "1000 images, 200 of them explained, with 4 workers" in four.in_words()
    assert "not measured as it will be: other: its trial was not run" in four.in_words()


def test_bounds_add_the_errors_of_all_pieces() -> None:
    plan = _extrapolated(SAMPLE, NETWORKS, [run_of(20), run_of(60)], 1000, 200, 1)
    row = plan.stages.set_index("stage").loc["embed"]
    of_line = ONE_TIME * (run_of(20).seconds["embed"] + run_of(60).seconds["embed"])
    error = MEASURED * 102 + of_line * (1000 - 60) / (60 - 20) + TIMED * 2 * (2 + 100)
    assert row["high_s"] - row["seconds"] == pytest.approx(error)
    assert row["seconds"] - row["low_s"] == pytest.approx(error)
    assert plan.bounds[0] < plan.seconds < plan.bounds[1]
    assert "(between " in plan.in_words()
    twice = of_properties(plan, 2)
    assert twice.bounds[1] - plan.bounds[1] == pytest.approx(plan.stages["high_s"].iloc[3])


def test_what_is_not_asked_for_is_shown_and_not_counted() -> None:
    beside = [Beside("tested", 0.5, 4, True, forwards=10), Beside("retain", 0.5, 4, False)]
    runs = [run_of(20), run_of(60, beside)]
    plan = _extrapolated(SAMPLE, NETWORKS, runs, 1000, 200, 1)
    rows = plan.stages.set_index("stage")
    # On two stand-ins, and two builds and eleven passes an image by two processes at once.
    assert rows["seconds"]["tested"] == pytest.approx(2 * 4 * 0.5 + (2 * 2 + 2 * 4 * 11 * 0.1) / 2)
    assert plan.seconds == pytest.approx(rows["seconds"].drop("retain").sum())
    assert "retain (not asked for)" in set(plan.shown()["stage"])


def test_no_cost_is_below_zero() -> None:
    assert _line([10, 20], [5.0, 4.0]) == (4.5, 0.0)
    assert _line([10, 20], [1.0, 4.0]) == (0.0, 0.2)


def test_similarity_judgments_grow_with_pairs_and_networks_are_shared_whole() -> None:
    shared = {"scores": "backbones", "maps": "images"}
    runs = [
        _Run(n, n, {"scores": 3 + 0.02 * n**2, "maps": 0.1 * n + 0.001 * n**2},
             1000 + n**2, 10 * n, shared)
        for n in (16, 32, 48)
    ]  # fmt: skip
    plan = _extrapolated(SAMPLE, NETWORKS, runs, 100, 100, 4)
    rows = plan.stages.set_index("stage")["seconds"]
    assert rows["scores"] == pytest.approx(3 + 200 / 2)  # two networks, whatever the workers
    assert rows["maps"] == pytest.approx((10 + 10) / 4)
    assert plan.disk_bytes == pytest.approx(11_000)
    assert "per 1000 pairs" in plan.shown()
    assert _cost([10, 20, 30], [3.0, 2.0, 1.0])[1:] == (0.0, 0.0)


@pytest.mark.parametrize("embedding", [12, 20, 7])
def test_a_stand_in_has_the_shapes_of_its_network(embedding: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 12, 3, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(12, embedding),
    )  # fmt: skip
    transform = ais.Transform((32, 48), (32, 48))
    own = ais.Backbone(network, layer="0", transform=transform, name="own")
    for mixes in (False, True):
        name = stand_in_name(own, mixes=mixes)
        made = stand_in(name)
        assert made.map_shape == own.map_shape == (12, 8, 12)
        assert made.embedding_dim == embedding
        assert made.transform == own.transform
        assert made.fingerprint == stand_in(name).fingerprint  # in whatever process


def timed(backbone: ais.Backbone, folder: ImageFolder, share_s: float) -> NetworkCosts:
    def model_on(made: ais.Backbone):
        head = nn.Sequential(nn.Linear(made.embedding_dim, 1), nn.Flatten(0))
        return ais.RatingEnsemble(made.trunk, [head]), [head]

    return network_costs(
        "own", lambda: backbone, model_on, folder, folder.names,
        places=PlacesConfig(), batch_size=4, share_s=share_s,
    )  # fmt: skip


def test_what_there_is_no_time_for_is_said(own, planted, monkeypatch) -> None:
    folder = ImageFolder(planted.images)
    whole, declared = timed(own, folder, 60.0), timed(own, folder, 0.0)
    monkeypatch.setattr("aisthesis.studies.shared.network_costs._MANY_PASSES", 0.0)
    in_part = timed(own, folder, 0.0)
    assert set(whole.pieces) == {"build", "forward", "trial", "channels", "places", "set"}
    assert all(one.seconds >= 0 for one in whole.pieces.values())
    assert whole.notes == []
    assert (whole.channels, whole.mixes) == (12, False)
    assert declared.pieces["trial"].error == declared.pieces["channels"].error == DECLARED
    assert declared.pieces["places"].error == in_part.pieces["places"].error == DECLARED
    assert in_part.pieces["channels"].error == IN_PART
    assert "trying how channels are removed was not run" in declared.notes[0]
    assert "removal of channels counts as" in declared.notes[1]
    assert "removal of channels was timed for some" in in_part.notes[1]
    assert "removal of places counts as" in declared.notes[-1]


def test_it_measures_a_real_study_of_similarity_judgments(
    planted, tmp_path, capsys, hurried
) -> None:
    names = list(ImageFolder(planted.images).names)
    points = np.random.default_rng(0).normal(size=(len(names), 3))
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    apart[0, 1:] = apart[1:, 0] = np.nan  # nobody judged it: it is left out of every sample
    apart[0, 1] = apart[1, 0] = 1.0
    np.savez(tmp_path / "judged.npz", dissimilarity=apart[None], images=np.array(names))
    file = tmp_path / "study.toml"
    file.write_text(
        f'images = "{planted.images}"\njudgments = "judged.npz"\nout = "s"\nfolds = 2\n'
        'repeats = 1\nsizes = 2\nkind = "dissimilarity"\ndevice = "cpu"\n'
        'backbones = [{name = "miniature:barlow_twins", input_px = 96}]\n'
    )
    assert main(["plan", str(file), "--images", "60", "--csv"]) == 0
    table = pd.read_csv(StringIO(capsys.readouterr().out)).set_index("stage")
    assert set(table.index) == {"check", "scores", "maps", "align", "report"}
    assert table["parallel"].to_dict() == {
        "check": False, "scores": True, "maps": True, "align": False, "report": False
    }  # fmt: skip
    assert table["seconds"]["scores"] > 0
    assert not (tmp_path / "s").exists()
    assert main(["plan", str(file), "--measure", "10"]) == 2
    assert "at least 24 judged images" in capsys.readouterr().err


def test_it_measures_a_real_study(make_study, tmp_path, hurried) -> None:
    study = make_study(
        tmp_path / "s", backbones=[{"name": "miniature:vgg16", "input_px": 96}], seeds=1,
        explainers=["ais", "evidence", "grad_cam"],
        faithfulness={"images": 2, "steps": 2, "baselines": ["mean", "blur"]},
    )  # fmt: skip
    plan = study.plan(n_images=100, n_measured=30)
    rows = plan.stages.set_index("stage")
    assert {"check", "embed", "heads", "explain", "compare", "agree", "report"} <= set(rows.index)
    assert rows["asked"].to_dict() == {name: name != "retain" for name in rows.index}
    assert rows["images"]["faithfulness"] == 2
    assert (rows["seconds"] >= 0).all()
    assert (rows["low_s"] <= rows["seconds"]).all()
    assert (rows["seconds"] <= rows["high_s"]).all()
    assert rows["seconds"]["embed"] > 0
    assert (plan.n_images, plan.n_explained) == (100, 20)
    assert plan.memory_bytes > 1e8
    assert not (tmp_path / "s").exists()


def test_maps_are_made_again_of_as_many_images_as_is_said(study, monkeypatch) -> None:
    made: list[int] = []

    def remade(self, images, which, kind):
        made.append(len(images))
        return torch.rand(len(images), *self.subject.map_px)

    for name in ("_of_channels", "_of_places"):  # of each two kinds
        monkeypatch.setattr(tested.TestedNetwork, name, remade)
    options = FaithfulnessConfig(steps=2, squares=0, cascade_images=2, baselines=("mean",))
    config = study.config.model_copy(update={"faithfulness": options})
    index = explained_images(config, study.inputs)[:3]
    label = config.backbones[0].label
    images = tested.TestedImages.of(study.inputs, index, np.arange(3))
    measured = tested.measure_backbone(study.folder.root, config, label, images)
    assert len(measured.cascade) > 0
    assert sum(made) == 4 * tested.remade_images(config, 3)


def test_too_few_images_are_refused(make_study, tmp_path) -> None:
    with pytest.raises(RequestError, match="at least 24 rated images"):
        make_study(tmp_path / "s").plan(n_measured=10)


def test_status_of_a_finished_study_exits_with_0_and_of_a_stale_one_with_3(
    study, capsys, tmp_path
) -> None:
    assert main(["status", str(study.folder.root)]) == 0
    assert "done" in capsys.readouterr().out
    entry = study.folder.root / "ledger" / "agree.json"
    kept = entry.read_text()
    entry.unlink()
    try:
        assert main(["status", str(study.folder.root), "--csv"]) == 3
        assert "agree,all backbones,to do,0,1,not done yet" in capsys.readouterr().out
    finally:
        entry.write_text(kept)
