"""A finished study whose files were harmed: done again with the same result, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aisthesis.cli import main

from .harness import listing, mangled, unclear, watchdog

#: Files of the study folder, and how often each is harmed.
HARMED = {
    "study.toml": 24,
    "provenance.json": 12,
    "predictions.csv": 8,
    "heads/miniature_vgg16-seed0.safetensors": 8,
    "cache/fitted-miniature_vgg16-seed0.npz": 4,
    "maps.zarr/zarr.json": 4,
    "maps.zarr/miniature_vgg16/zarr.json": 6,
    "maps.zarr/miniature_vgg16/ais/zarr.json": 6,
    "maps.zarr/miniature_vgg16/ais/c/0/0/0/0": 6,
    "maps.zarr/miniature_vgg16/image/c/0": 4,
    "ledger": 10,
}
N = sum(HARMED.values())


def _run(arguments: list[str], capsys) -> tuple[int, str]:
    with watchdog():
        code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.err.strip().splitlines()[-1] if captured.err.strip() else ""


def _harm(study: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    target = study / name
    if target.is_dir():
        files = sorted(path for path in target.rglob("*") if path.is_file())
        target = files[seed % len(files)]
    if seed % 4 == 0:
        target.write_bytes((b"", b"\0" * 40, b"[]", b"{}", b"\xff\xfe\xfd")[seed // 4 % 5])
    else:
        target.write_bytes(mangled(target.read_bytes(), rng))


@pytest.mark.parametrize("name", HARMED)
def test_a_harmed_study_is_mended_or_refused(name, finished, tmp_path, capsys):
    clean = (finished / "study/predictions.csv").read_bytes()
    faults = []
    for seed in range(HARMED[name]):
        root = Path(shutil.copytree(finished, tmp_path / "copy"))
        _harm(root / "study", name, seed)
        outside = {k: v for k, v in listing(tmp_path).items() if "/copy/study" not in k}
        try:
            code, last = _run(["agree", str(root / "study.toml")], capsys)
        except BaseException as error:  # noqa: BLE001 - told with the others
            faults.append(f"{seed}: {type(error).__name__}: {str(error)[:300]}")
            code, last = -1, ""
        if code in (1, 2):
            faults += [f"{seed}: {why}" for why in [unclear(last)] if why or last[:7] != "error: "]
        elif code == 0 and (root / "study/predictions.csv").read_bytes() != clean:
            faults.append(f"{seed}: done, and the predictions are others")
        after = {k: v for k, v in listing(tmp_path).items() if "/copy/study" not in k}
        faults += [f"{seed}: wrote outside"] * (after != outside)
        shutil.rmtree(root)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", ["scores.csv", "predictions.csv", "provenance.json", "maps.zarr"])
def test_the_report_of_harmed_files_is_refused_or_written(name, copy, capsys):
    """The report of a folder alone, as somebody hands it on."""
    from aisthesis.errors import AisthesisError
    from aisthesis.report import write_report

    for seed in range(4):
        study = copy / f"study{seed}"
        shutil.copytree(copy / "study", study)
        _harm(study, name, seed)
        try:
            with watchdog():
                write_report(study)
        except AisthesisError as error:
            assert not unclear(str(error))


def test_the_harmed_files_are_those_of_a_study(finished):
    for name in HARMED:
        assert (finished / "study" / name).exists(), name
    assert len(pd.read_csv(finished / "study/predictions.csv")) > 0
