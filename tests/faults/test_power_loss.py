"""What a loss of power leaves empty or takes away is made again by the same command."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from aisthesis import Alignment, Study
from aisthesis.cli.main import main

from .harness import write_judgments

#: Dependencies of names in which files of one kind differ.
ALIKE = re.compile(r"[0-9a-f]{16,}|\d+|(?<=miniature_vgg16/)\w+(?=/)")
#: What says what the study is cannot be made again; a lock and pictures of the page need not be.
KEPT = re.compile(r"study\.toml|\.lock|figures/|report\.html")
RETAIN = ["--folds", "2", "--repeats", "1"]


def kinds(root: Path, skip: str = "^$") -> list[list[Path]]:
    """The files of a study, kind by kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not KEPT.search(name) and not re.search(skip, name):
            found.setdefault(ALIKE.sub("#", name), []).append(path)
    return list(found.values())


def lose_power(kinds: list[list[Path]], first: int) -> None:
    """Empty every other kind of file, the last written of each, and take the others away."""
    for number, paths in enumerate(kinds):
        if number % 2 == first:
            paths[-1].write_bytes(b"")
        else:
            paths[-1].unlink()


def tables(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("*.csv")}


def tensors(root: Path) -> dict[str, dict[str, np.ndarray]]:
    return {p.as_posix()[len(str(root)) :]: load_file(p)
            for p in (*root.glob("heads/*.safetensors"), *root.glob("retained/*"))}  # fmt: skip


@pytest.fixture(scope="module")
def retained(finished, tmp_path_factory) -> Path:
    root = Path(shutil.copytree(finished / "study", tmp_path_factory.mktemp("retained") / "study"))
    assert main(["retain", str(root), *RETAIN]) == 0
    return root


@pytest.mark.parametrize(("first", "skip"), [(0, "ledger/"), (1, "ledger/"), (0, "^[^l]")])
def test_a_study_of_ratings(retained, tmp_path, first, skip, same_study) -> None:
    root = Path(shutil.copytree(retained, tmp_path / "study"))
    damaged = kinds(root, skip)
    assert len(damaged) > (5 if skip == "^[^l]" else 25)
    lose_power(damaged, first)
    assert main(["status", str(root)]) == 3  # not all of it is done
    assert main(["agree", str(root)]) == main(["retain", str(root), *RETAIN]) == 0
    assert tables(root) == tables(retained)
    same_study(retained, root)
    before, after = tensors(retained), tensors(root)
    assert before.keys() == after.keys()
    for name, held in before.items():
        for key, values in held.items():
            np.testing.assert_array_equal(after[name][key], values)
    assert (Study.open(root).status()["state"] == "done").all()


@pytest.fixture(scope="module")
def aligned(finished, tmp_path_factory) -> dict[str, object]:
    root = tmp_path_factory.mktemp("aligned")
    judged = write_judgments(finished / "p/images", root / "judged.csv")
    keys = {"images": finished / "p/images", "judgments": judged, "folds": 2,
            "repeats": 1, "backbones": [{"name": "miniature:vgg16", "input_px": 96}],
            "device": "cpu", "out": root / "study"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Alignment, "report", lambda self: None)
        Alignment(**keys).run()
    return keys


@pytest.mark.parametrize(("first", "skip"), [(0, "ledger/"), (1, "ledger/"), (0, "^[^l]")])
def test_a_study_of_similarity_judgments(aligned, tmp_path, monkeypatch, first, skip) -> None:
    monkeypatch.setattr(Alignment, "report", lambda self: None)
    root = Path(shutil.copytree(aligned["out"], tmp_path / "study"))
    held = {p: p.read_bytes() for p in (root / "maps.zarr").rglob("c/*") if p.is_file()}
    damaged = kinds(root, skip)
    assert len(damaged) > 1
    lose_power(damaged, first)
    Alignment(**aligned | {"out": root}).run()
    assert tables(root) == tables(aligned["out"])
    assert all(path.read_bytes() == content for path, content in held.items())
    with np.load(root / "dissimilarities.npz") as one:
        assert np.isfinite(one["human"]).any()
