"""The plan of a study: two small runs, and a straight line through each stage."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest

from aisthesis.cli.main import main
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.studies.shared.expected_cost import _cost, _extrapolated, _line, _Run


def run_of(n: int) -> _Run:
    seconds = {"check": 0.01 * n, "embed": 2 + 0.1 * n, "explain": 1 + 0.5 * n / 5, "report": 7.0}
    return _Run(
        n, n // 5, seconds, 1000 + 50 * n, 10 * n, 4000, 2, {"embed": "images", "explain": "images"}
    )


def test_costs_are_extrapolated_linearly_and_shared_among_workers() -> None:
    runs = [run_of(20), run_of(60)]
    one = _extrapolated(runs, 1000, 1)
    rows = one.stages.set_index("stage")["seconds"]
    assert one.n_explained == 200
    assert rows["check"] == pytest.approx(10)
    assert rows["embed"] == pytest.approx(102)
    assert rows["explain"] == pytest.approx(101)
    assert rows["report"] == pytest.approx(7)
    assert one.disk_bytes == pytest.approx(51_000)
    # Read once to be checked, then by each of two networks to embed and, a fifth, to explain.
    assert one.read_bytes == pytest.approx(10_000 * (1 + 2 * 1.2))
    four = _extrapolated(runs, 1000, 4)
    shared = four.stages.set_index("stage")["seconds"]
    assert shared["embed"] == pytest.approx(2 + 25)
    assert shared["check"] == rows["check"]
    assert four.weights_bytes == 4 * one.weights_bytes
    assert "1000 images, 200 of them explained, with 4 workers" in four.in_words()


def test_no_cost_is_below_zero() -> None:
    assert _line([10, 20], [5.0, 4.0]) == (4.5, 0.0)
    assert _line([10, 20], [1.0, 4.0]) == (0.0, 0.2)


def test_similarity_judgments_grow_with_pairs_and_networks_are_shared_whole() -> None:
    shared = {"scores": "backbones", "maps": "images"}
    runs = [
        _Run(n, n, {"scores": 3 + 0.02 * n**2, "maps": 0.1 * n + 0.001 * n**2},
             1000 + n**2, 10 * n, 4000, 2, shared)
        for n in (16, 32, 48)
    ]  # fmt: skip
    plan = _extrapolated(runs, 100, 4)
    rows = plan.stages.set_index("stage")["seconds"]
    assert rows["scores"] == pytest.approx(3 + 200 / 2)  # two networks, whatever the workers
    assert rows["maps"] == pytest.approx((10 + 10) / 4)
    assert plan.disk_bytes == pytest.approx(11_000)
    assert "per 1000 pairs" in plan.shown()
    assert _cost([10, 20, 30], [3.0, 2.0, 1.0])[1:] == (0.0, 0.0)


def test_it_measures_a_real_study_of_similarity_judgments(planted, tmp_path, capsys) -> None:
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
        'backbones = ["miniature:barlow_twins"]\n'
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


def test_it_measures_a_real_study(make_study, tmp_path) -> None:
    study = make_study(tmp_path / "s", backbones=["miniature:vgg16"], seeds=1)
    plan = study.plan(n_images=100, n_measured=30)
    seconds = plan.stages.set_index("stage")["seconds"]
    assert {"check", "embed", "heads", "explain", "compare", "agree", "report"} <= set(
        seconds.index
    )
    assert (seconds >= 0).all()
    assert seconds["embed"] > 0
    assert plan.memory_bytes > 1e8
    assert not (tmp_path / "s").exists()


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
