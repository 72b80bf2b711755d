"""A photograph changed while `retain` or `align` works: one sentence, nothing is vouched for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from aisthesis import Alignment, Study
from aisthesis.errors import AisthesisError
from aisthesis.execution.progress import ProgressReporter

from .harness import write_judgments

CHANGED = "was changed while the study was running; run it again"


class Meddler(ProgressReporter):
    """Puts another picture in the place of one, once a step of that name begins."""

    def __init__(self, image: Path, step: str) -> None:
        self.image, self.step = image, step

    def steps(self, label, total):
        if label.endswith(self.step):
            Image.new("RGB", (64, 64), "red").save(self.image)
        return super().steps(label, total)


def test_retain(finished, copy) -> None:
    held = copy / "study/study.toml"
    held.write_text(held.read_text().replace(str(finished), str(copy)))
    study, image = Study.open(copy / "study"), copy / "p/images/0002.png"
    original = image.read_bytes()
    wanted = {"folds": 2, "repeats": 1}
    meddled = Study.open(copy / "study", reporter=Meddler(image, "channels"))
    with pytest.raises(AisthesisError, match=rf"0002\.png {CHANGED}"):
        meddled.retain(**wanted)
    assert not study.folder.ledger.files("retain")
    assert not list((copy / "study").glob("retention*"))
    assert not list((copy / "study/retained").glob("*"))
    image.write_bytes(original)
    undisturbed = shutil.copytree(copy, copy.with_name("undisturbed"))
    for root in (copy, undisturbed):
        Study.open(root / "study").retain(**wanted)
    for name in ("retention.csv", "retention_folds.csv", "retention_channels.csv"):
        assert (copy / "study" / name).read_bytes() == (undisturbed / "study" / name).read_bytes()


def test_align(finished, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Alignment, "report", lambda self: None)
    shutil.copytree(finished / "p/images", tmp_path / "images")
    image = tmp_path / "images/0002.png"
    original = image.read_bytes()
    judged = write_judgments(tmp_path / "images", tmp_path / "judged.csv")
    keys = {"images": tmp_path / "images", "judgments": judged, "folds": 2,
            "repeats": 1, "backbones": ["miniature:barlow_twins"], "device": "cpu"}  # fmt: skip
    with pytest.raises(AisthesisError, match=rf"0002\.png {CHANGED}"):
        Alignment(**keys, out=tmp_path / "one", reporter=Meddler(image, "embeddings")).run()
    assert not (tmp_path / "one/alignment.csv").exists()
    image.write_bytes(original)
    # What the stopped run has kept must be of the picture that is there again.
    tables = [
        Alignment(**keys, out=tmp_path / name).run().folder.alignment.read_bytes()
        for name in ("one", "two")
    ]
    assert tables[0] == tables[1]
