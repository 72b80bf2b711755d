from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aisthesis.errors import AisthesisError, RequestError
from aisthesis.store.files import (
    plain_errors,
    read_json,
    remove_tree,
    sync,
    write_csv,
    write_csv_parts,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch) -> None:
    write_text(tmp_path / "a.txt", "old")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AisthesisError, match=r"a\.txt: there is no room left on the disk"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_forbidden_place_is_the_users_to_change(tmp_path, code) -> None:
    with pytest.raises(RequestError, match="may not be written to"), plain_errors(tmp_path):
        raise OSError(code, "no")


def test_csv_shows_undefined_as_empty_and_repeats_to_the_byte(tmp_path) -> None:
    table = pd.DataFrame({"a": [1 / 3, np.nan], "b": ["x,y", "ü"]})
    write_csv(tmp_path / "t.csv", table)
    first = (tmp_path / "t.csv").read_bytes()
    assert first == 'a,b\n0.333333333,"x,y"\n,ü\n'.encode()
    write_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_bytes() == first


def test_json(tmp_path) -> None:
    assert read_json(tmp_path / "none.json") == {}
    write_json(tmp_path / "a.json", {"x": [1, "ü"]})
    assert read_json(tmp_path / "a.json") == {"x": [1, "ü"]}
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(AisthesisError, match="is damaged"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"x": float("nan")})


def _tree(root: Path) -> Path:
    (root / "study/maps/a").mkdir(parents=True)
    (root / "study/maps/a/x").write_text("x")
    (root / "photographs").mkdir()
    (root / "photographs/1.png").write_text("1")
    return root / "study"


def test_a_folder_inside_goes_with_all_that_is_in_it_but_not_what_its_links_lead_to(
    tmp_path,
) -> None:
    study = _tree(tmp_path)
    (study / "maps/link").symlink_to(tmp_path / "photographs")
    remove_tree(study / "maps", inside=study)
    remove_tree(study / "maps", inside=study)  # nothing left to do
    assert not list(study.iterdir())
    assert (tmp_path / "photographs/1.png").is_file()


@pytest.mark.parametrize("path", ["", ".", "..", "maps/..", "maps/a/../..", "../photographs", "/"])
def test_no_deletion_leaves_the_study_folder(tmp_path, path) -> None:
    study = _tree(tmp_path)
    with pytest.raises(AisthesisError, match="is not inside the folder"):
        remove_tree(study / path, inside=study)
    assert (study / "maps/a/x").is_file()
    assert (tmp_path / "photographs/1.png").is_file()


@pytest.mark.parametrize(("link", "asked"), [("maps2", "maps2"), ("cache", "cache/inner")])
def test_no_deletion_follows_a_link(tmp_path, link, asked) -> None:
    study = _tree(tmp_path)
    (tmp_path / "photographs/inner").mkdir()
    (study / link).symlink_to(tmp_path / "photographs")
    with pytest.raises(AisthesisError, match="link"):
        remove_tree(study / asked, inside=study)
    assert sorted(p.name for p in (tmp_path / "photographs").iterdir()) == ["1.png", "inner"]


def test_a_table_in_parts_is_the_table(tmp_path) -> None:
    """Which digits a column takes depends on all of it."""
    table = pd.DataFrame(
        {"image": list("abcdef"), "far": [1e9, 1e9 + 1, np.nan, 1e9 + 2, 1e9, 1e9],
         "near": [0.1, np.nan, 1 / 3, -2, 0, 5], "n": range(6)}
    )  # fmt: skip
    write_csv(tmp_path / "whole.csv", table)
    write_csv_parts(tmp_path / "parts.csv", lambda: (table[i : i + 1] for i in range(6)))
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert "1000000001.0" in (tmp_path / "whole.csv").read_text()


def test_a_folder_is_flushed_again_where_a_name_in_it_has_changed(tmp_path, monkeypatch) -> None:
    flushed = []
    real = os.fsync

    def fsync(descriptor):
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "a").write_text("1")
    for one in (folder, tmp_path):
        os.utime(one, (1, 1))
    sync([folder / "a"], tmp_path)
    assert {folder, tmp_path} <= set(flushed)
    flushed.clear()
    sync([folder / "a"], tmp_path)
    assert flushed == [folder / "a"]
    # Another name a moment ago: there may be one more that bears the same time.
    (folder / "b").write_text("1")
    moment = time.time() + 1000
    os.utime(folder, (moment, moment))
    for _ in range(2):
        flushed.clear()
        sync([folder / "b"], tmp_path)
        assert flushed == [folder / "b", folder]
