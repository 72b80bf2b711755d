"""The plan of a study: two small runs, and a straight line through each stage."""

from __future__ import annotations

import pytest

from aisthesis.cli import main
from aisthesis.engine import Silent
from aisthesis.errors import RequestError
from aisthesis.pipeline.plan import _extrapolated, _line, _Run, plan_study


def run_of(n: int) -> _Run:
    seconds = {"check": 0.01 * n, "embed": 2 + 0.1 * n, "explain": 1 + 0.5 * n / 5, "report": 7.0}
    return _Run(n, n // 5, seconds, 1000 + 50 * n, 10 * n, 4000, 2)


def test_costs_are_extrapolated_linearly_and_shared_among_workers(make_study, tmp_path) -> None:
    config = make_study(tmp_path / "s").config
    runs = [run_of(20), run_of(60)]
    one = _extrapolated(config, runs, 1000, 1)
    rows = one.stages.set_index("stage")["seconds"]
    assert one.n_explained == 200
    assert rows["check"] == pytest.approx(10)
    assert rows["embed"] == pytest.approx(102)
    assert rows["explain"] == pytest.approx(101)
    assert rows["report"] == pytest.approx(7)
    assert one.disk_bytes == pytest.approx(51_000)
    # Read once to be checked, then by each of two networks to embed and, a fifth, to explain.
    assert one.read_bytes == pytest.approx(10_000 * (1 + 2 * 1.2))
    four = _extrapolated(config, runs, 1000, 4)
    shared = four.stages.set_index("stage")["seconds"]
    assert shared["embed"] == pytest.approx(2 + 25)
    assert shared["check"] == rows["check"]
    assert four.weights_bytes == 4 * one.weights_bytes
    assert "1000 images, 200 of them explained, with 4 workers" in four.in_words()


def test_no_cost_is_below_zero() -> None:
    assert _line([10, 20], [5.0, 4.0]) == (4.5, 0.0)
    assert _line([10, 20], [1.0, 4.0]) == (0.0, 0.2)


def test_it_measures_a_real_study(make_study, tmp_path) -> None:
    config = make_study(tmp_path / "s", backbones=["miniature:vgg16"], seeds=1).config
    plan = plan_study(config, n_images=100, n_workers=1, n_measured=30, narrator=Silent())
    seconds = plan.stages.set_index("stage")["seconds"]
    assert {"check", "embed", "heads", "explain", "compare", "agree", "report"} <= set(
        seconds.index
    )
    assert (seconds >= 0).all()
    assert seconds["embed"] > 0
    assert plan.memory_bytes > 1e8
    assert not (tmp_path / "s").exists()


def test_too_few_images_are_refused(make_study, tmp_path) -> None:
    config = make_study(tmp_path / "s").config
    with pytest.raises(RequestError, match="at least 24 rated images"):
        plan_study(config, n_images=None, n_workers=1, n_measured=10, narrator=Silent())


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
