from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aisthesis.config import study_config
from aisthesis.errors import RequestError
from aisthesis.store.folder import StudyFolder, digest_of


def config(out: Path, **values):
    keys = {"images": "i", "ratings": "r.csv", "out": str(out), "backbones": ["vgg16"]}
    return study_config(keys | values, Path("/base"), "test")


def test_the_same_study_may_go_on_and_another_is_refused(tmp_path) -> None:
    folder = StudyFolder(tmp_path / "s")
    folder.claim(config(folder.root))
    folder.claim(config(folder.root, device="cpu", batch_size=3))
    with pytest.raises(RequestError, match=r"holds another study \(it differs in `seed`\)"):
        folder.claim(config(folder.root, seed=4))
    assert folder.claim(config(folder.root, seeds=4)).added == ("3 more seeds of every network",)
    assert folder.claim(config(folder.root, seed=4, seeds=4), force=True).lost


def test_a_folder_with_other_things_is_left_alone(tmp_path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(RequestError, match="is not empty and holds no study"):
        StudyFolder(tmp_path).claim(config(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="is a file"):
        StudyFolder(tmp_path / "file").claim(config(tmp_path / "file"))


def test_a_moved_study_knows_where_it_is(tmp_path) -> None:
    first = StudyFolder(tmp_path / "a")
    first.claim(config(first.root))
    shutil.move(first.root, tmp_path / "b")
    assert StudyFolder(tmp_path / "b").config().out == tmp_path / "b"


def test_no_study_there(tmp_path) -> None:
    with pytest.raises(RequestError, match=r"holds no study\.toml"):
        StudyFolder(tmp_path).config()


def test_the_record_merges(tmp_path) -> None:
    folder = StudyFolder(tmp_path)
    folder.record(stages={"fit": {"key": "k"}})
    folder.record(stages={"agree": {"key": "m"}}, warnings=["w"])
    assert set(folder.provenance()["stages"]) == {"fit", "agree"}


def test_digests_tell_values_apart_and_not_their_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
