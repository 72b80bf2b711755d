"""Each kind of file of a study of similarity judgments torn: told by status, made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aisthesis import Alignment
from aisthesis.cli.main import main

from .test_torn_files import TORN, kinds_of_files


@pytest.fixture
def aligned(finished_alignment, tmp_path, monkeypatch) -> Path:
    """A copy of a finished study's folder, with no report made at every run."""
    monkeypatch.setattr(Alignment, "report", lambda study: study.folder.report)
    root = Path(shutil.copytree(finished_alignment, tmp_path / "root"))
    return root / "study"


def test_status_tells_every_kind_of_torn_file_of_an_alignment(aligned) -> None:
    study = Alignment.open(aligned)
    assert (study.status()["state"] == "done").all()
    names, untold = kinds_of_files(aligned), []
    assert {"provenance.json", "dissimilarities.npz", "alignment.csv"} <= set(names)
    for number, name in enumerate(names):
        whole = (aligned / name).read_bytes()
        for how in (list(TORN)[number % 4], list(TORN)[(number + 1) % 4]):
            (aligned / name).write_bytes(TORN[how](whole))
            states = study.status()
            if (states["state"] == "done").all() and whole != (aligned / name).read_bytes():
                untold.append(name)
        (aligned / name).write_bytes(whole)
    assert untold == []
    assert main(["status", str(aligned)]) == 0


def test_torn_files_of_an_alignment_are_made_again(aligned, finished_alignment) -> None:
    made = finished_alignment / "study"
    (aligned / "provenance.json").write_text("null")
    (aligned / "dissimilarities.npz").write_bytes(b"PK\x03\x04torn")
    (aligned / "maps.zarr/zarr.json").write_text("")
    for cached in (aligned / "cache").glob("*.npz"):
        cached.write_bytes(cached.read_bytes()[:100])
    states = Alignment.open(aligned).status()
    assert set(states["state"]) == {"damaged"}
    assert main(["align", str(aligned)]) == 0
    assert (Alignment.open(aligned).status()["state"] == "done").all()
    for file in made.glob("*.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(file), pd.read_csv(aligned / file.name))
    with (
        np.load(made / "dissimilarities.npz") as one,
        np.load(aligned / "dissimilarities.npz") as other,
    ):
        assert set(one.files) == set(other.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    record = Alignment.open(aligned).folder.backbone_record("miniature:vgg16")
    assert {"weights", "seen", "places", "rectified"} <= set(record)


def test_a_lost_group_of_an_alignment_is_told_and_made_again(aligned) -> None:
    shutil.rmtree(aligned / "maps.zarr/miniature_vgg16")
    states = Alignment.open(aligned).status()
    assert set(states.query("stage == 'scores'")["state"]) == {"done"}
    assert set(states.query("stage != 'scores'")["state"]) <= {"damaged", "stale", "to do"}
    assert main(["align", str(aligned)]) == 0
    assert main(["status", str(aligned)]) == 0
