"""Only what a command wrote itself is overwritten or deleted."""

from __future__ import annotations

import shutil

import pytest

from aisthesis.cli.main import main
from aisthesis.errors import RequestError
from aisthesis.execution.progress import Silent
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder
from aisthesis.store.lock import folder_lock
from aisthesis.store.whole import whole_file
from aisthesis.studies import demo
from aisthesis.studies.ratings.predict import COLUMNS, note_written, refuse_edited


@pytest.fixture(autouse=True)
def no_helpers(monkeypatch) -> None:
    """The demos are set up and not run, so that nobody has work for helpers started ahead."""
    monkeypatch.setattr(demo, "start_ahead", lambda *_, **__: None)


def _demo(out) -> None:
    demo.demo_study(out, n=20, seed=1, reporter=Silent())


def test_an_interrupted_demo_is_mended(tmp_path, monkeypatch) -> None:
    """Stopped after each of its steps, and once more without its ratings."""

    def stopped(planted, n, *, seed):
        (planted / "images").mkdir()
        (planted / "images/0000.png").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aisthesis.miniature.render_study", stopped)
        with pytest.raises(KeyboardInterrupt):
            _demo(tmp_path)
    planted = tmp_path / "planted-20-1"
    _demo(tmp_path)
    assert len(list((planted / "images").iterdir())) == 20
    (planted / "ratings.csv").unlink()
    _demo(tmp_path)
    assert (planted / "ratings.csv").is_file()


def test_a_planted_study_is_written_over_another_when_forced(tmp_path) -> None:
    out = tmp_path / "p"
    command = ["planted", "--n", "2", "--size", "64", "--out", str(out)]
    assert main([*command, "--seed", "1"]) == 0
    (out / "mine.txt").write_text("mine")
    first = (out / "images/0000.png").read_bytes()
    assert main(command) == 2
    assert (out / "images/0000.png").read_bytes() == first
    assert main([*command, "--force"]) == 0
    assert (out / "images/0000.png").read_bytes() != first
    assert (out / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("made", ["folder", "file", "link"])
def test_a_demo_deletes_nothing_that_it_did_not_make(made, tmp_path) -> None:
    planted, mine = tmp_path / "planted-20-1", tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    if made == "folder":
        shutil.copytree(mine, planted)
    elif made == "link":
        planted.symlink_to(mine)
    else:
        planted.write_text("years of work")
    with pytest.raises(RequestError, match="was not made by a demo"):
        _demo(tmp_path)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert planted.is_file() or (planted / "thesis.txt").is_file()


@pytest.fixture
def table():
    import pandas as pd

    return pd.DataFrame([["a.png", "vgg16", "mean", 3.25]], columns=list(COLUMNS))


def test_predictions_that_were_edited_are_not_overwritten(tmp_path, table) -> None:
    folder, out = StudyFolder(tmp_path / "study"), tmp_path / "out.csv"
    folder.make()
    refuse_edited(folder, out)
    write_csv(out, table)
    note_written(folder, out)
    refuse_edited(folder, out)
    refuse_edited(folder, out.rename(tmp_path / "renamed.csv"))
    edited = tmp_path / "renamed.csv"
    with edited.open("a") as file:
        file.write("# mine\n")
    with pytest.raises(RequestError, match="edited since"):
        refuse_edited(folder, edited)
    (folder.cache / "predicted.json").write_text("{")
    with pytest.raises(RequestError, match="edited since"):
        refuse_edited(folder, edited)
    note_written(folder, edited)
    refuse_edited(folder, edited)


def test_what_a_killed_run_was_writing_is_swept(tmp_path) -> None:
    """Only regular files of just those names."""
    left = tmp_path / "heads" / f".{'0a' * 8}.partial.safetensors"
    left.parent.mkdir()
    kept = [tmp_path / f".{'0a' * 8}.partly", tmp_path / ".label.partial", tmp_path / "0.partial",
            left.with_name(f".{'0g' * 8}.partial"), left.with_name(f"{left.name}.csv")]  # fmt: skip
    for path in (left, *kept):
        path.write_text("half")
    folder = tmp_path / f".{'0b' * 8}.partial"
    folder.mkdir()
    link = tmp_path / f".{'0c' * 8}.partial.csv"
    link.symlink_to(kept[0])
    with whole_file(tmp_path / "whole.csv") as partial:
        partial.write_text("whole")
        real = partial.with_name(f".{partial.name[2:17]}0.partial.csv")
        shutil.copy(partial, real)
    with folder_lock(tmp_path):
        assert not left.exists()
        assert not real.exists()
    assert all(path.read_text() == "half" for path in kept)
    assert folder.is_dir()
    assert link.is_symlink()
