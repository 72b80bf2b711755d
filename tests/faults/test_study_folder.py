"""A finished study whose files were harmed: done again with the same result, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aisthesis.cli.main import main
from aisthesis.errors import AisthesisError
from aisthesis.report.write import write_report

from .catalogue import HARMED, REPORTED
from .harness import listing, mangled, unclear, watchdog


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
        by_folder = seed % 2 == 1
        # Read from its folder, a study is what the harmed study.toml says, if it says anything.
        same = not (by_folder and name == "study.toml")
        try:
            code, last = _run(
                ["agree", str(root / ("study" if by_folder else "study.toml"))], capsys
            )
        except BaseException as error:  # noqa: BLE001 - told with the others
            faults.append(f"{seed}: {type(error).__name__}: {str(error)[:300]}")
            code, last = -1, ""
        if code in (1, 2):
            faults += [f"{seed}: {why}" for why in [unclear(last)] if why or last[:7] != "error: "]
        elif code == 0 and same and (root / "study/predictions.csv").read_bytes() != clean:
            faults.append(f"{seed}: done, and the predictions are others")
        after = {k: v for k, v in listing(tmp_path).items() if "/copy/study" not in k}
        faults += [f"{seed}: wrote outside"] * (after != outside)
        shutil.rmtree(root)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", REPORTED)
def test_the_report_of_harmed_files_is_refused_or_written(name, copy):
    """The report of a folder alone, as somebody hands it on."""
    faults = []
    for seed in range(4):
        study = copy / f"study{seed}"
        shutil.copytree(copy / "study", study)
        _harm(study, name, seed)
        try:
            with watchdog(30):  # it draws every figure
                write_report(study)
        except AisthesisError as error:
            faults.append(unclear(str(error)))
    assert not any(faults), faults


def test_the_harmed_files_are_those_of_a_study(finished):
    for name in HARMED:
        assert (finished / "study" / name).exists(), name
    assert len(pd.read_csv(finished / "study/predictions.csv")) > 0
