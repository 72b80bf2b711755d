"""A status that is said again is one that would be found out anew, and whatever changes is seen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from aisthesis import Study
from aisthesis.cli import standing
from aisthesis.cli.main import main
from aisthesis.miniature import render_study
from aisthesis.store.lock import folder_lock

TOLD = standing._source_of


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    """Statuses are kept again, in a folder of the test's own."""
    monkeypatch.setattr(standing, "_source_of", TOLD)
    monkeypatch.setattr(standing, "_folder", lambda: tmp_path / "status")
    return tmp_path / "status"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    """A study of ten small images, fitted alone."""
    root = tmp_path_factory.mktemp("standing")
    planted = render_study(root / "p", 10, seed=3, size_px=64)
    keys = {"backbones": ["miniature:barlow_twins"], "bootstrap": 0, "device": "cpu"}
    Study(
        images=planted.images,
        ratings=planted.ratings,
        out=root / "study",
        fit={"epochs": 2},
        **keys,
    ).run(until="fit")
    return root


@pytest.fixture
def known(fitted, tmp_path, capsys) -> tuple[Path, str]:
    """A copy of that study whose status has been asked for, and what was said."""
    study = tmp_path / "copy"
    shutil.copytree(fitted / "study", study)
    shutil.copytree(fitted / "p", tmp_path / "p")
    text = (study / "study.toml").read_text(encoding="utf-8")
    (study / "study.toml").write_text(text.replace(str(fitted / "p"), str(tmp_path / "p")))
    assert main(["status", "--csv", str(study)]) == 3  # nothing is explained yet
    return study, capsys.readouterr().out


def test_a_command_leaves_behind_how_the_study_stands(known, own_cache, capsys) -> None:
    study, _ = known
    shutil.rmtree(own_cache)
    assert main(["fit", str(study)]) == 0
    left = standing.kept(study)
    assert [list(row) for row in left.rows] == Study.open(study).status().to_numpy().tolist()
    assert standing.kept(study / "study.toml") == left
    (study / "scores.csv").write_text("changed")
    assert standing.kept(study) is None


def test_what_is_said_again_is_the_table_of_the_library(known, capsys) -> None:
    study, said = known
    again = standing.kept(study)
    table = Study.open(study).status()
    assert list(again.columns) == list(table.columns)
    assert [list(row) for row in again.rows] == table.to_numpy().tolist()
    assert said == table.to_csv(index=False)
    assert not again.done
    assert main(["status", "--csv", str(study)]) == 3
    assert capsys.readouterr().out == said


CHANGES = {
    "a byte of a head": lambda s: _flip(next((s / "heads").glob("*.safetensors"))),
    "a byte of an image": lambda s: _flip(sorted((s.parent / "p/images").glob("*.png"))[-1]),
    "another image": lambda s: shutil.copy(
        next((s.parent / "p/images").glob("*.png")), s.parent / "p/images/new.png"
    ),
    "a rating": lambda s: _write(s.parent / "p/ratings.csv", lambda text: text + "\n"),
    "the settings": lambda s: _write(s / "study.toml", lambda text: text + "# mine\n"),
    "no ledger": lambda s: shutil.rmtree(s / "ledger"),
    "no images": lambda s: shutil.rmtree(s.parent / "p/images"),
    "a run at work": lambda s: (s / ".lock.json").write_text("{}"),
    "a link": lambda s: (s / "mine").symlink_to(s),
    "a pipe": lambda s: os.mkfifo(s / "mine"),
    "an endless file": lambda s: os.truncate(s / "predictions.csv", 1 << 40),
}


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def _write(file: Path, change) -> None:
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_not_passed_over(change, known) -> None:
    study, _ = known
    assert standing.kept(study) is not None
    CHANGES[change](study)
    assert standing.kept(study) is None


def test_other_code_or_libraries_are_noticed(known, tmp_path, monkeypatch) -> None:
    study, _ = known
    monkeypatch.setattr(standing, "_PACKAGE", tmp_path / "p")  # another package
    assert standing.kept(study) is None
    monkeypatch.undo()
    monkeypatch.setattr(standing, "_folder", lambda: tmp_path / "status")
    assert standing.kept(study) is not None
    (tmp_path / "site/torch-9.9.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert standing.kept(study) is None


def test_what_the_users_own_code_decides_is_not_kept(known, own_cache) -> None:
    study, _ = known
    _write(study / "study.toml", lambda text: text.replace(
        'metrics = [', 'metrics = ["mine:metric", '))  # fmt: skip
    for entry in own_cache.iterdir():
        entry.unlink()
    with pytest.raises(standing._UntoldError):
        TOLD(study, Study.open(study))


def test_a_damaged_head_is_said_after_a_status_that_was_kept(known, capsys) -> None:
    study, said = known
    _flip(next((study / "heads").glob("*.safetensors")))
    assert main(["status", "--csv", str(study)]) == 3
    table = capsys.readouterr().out
    assert table != said
    assert "damaged" in table


@pytest.mark.parametrize("name", ["", "study.toml", "../own.toml"])
def test_a_run_at_work_is_told_from_its_folder(name, known, capsys, monkeypatch) -> None:
    study, _ = known
    own = (study / "study.toml").read_text().replace('out = "."', 'out = "copy"')
    assert own.count('"copy"') == 1
    (study.parent / "own.toml").write_text(own.replace('"../p/', '"p/'))
    with folder_lock(study):
        expected = Study.open(study).status().to_csv(index=False)
        monkeypatch.setattr("aisthesis.cli.open.open_any", lambda *_, **__: pytest.fail("opened"))
        assert main(["status", "--csv", str(study / name)]) == 3
        assert capsys.readouterr().out == expected
    assert "run,study,running" in expected


def test_as_many_as_are_wanted_are_kept(known, own_cache, monkeypatch) -> None:
    study, _ = known
    monkeypatch.setattr(standing, "_MOST_KEPT", 1)
    another = study.with_name("another")
    shutil.copytree(study, another)
    assert main(["status", str(another)]) == 3
    assert len(list(own_cache.iterdir())) == 1
    assert standing.kept(study) is None
    assert standing.kept(another) is not None
