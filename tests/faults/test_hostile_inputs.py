"""A thousand hostile inputs: each is refused in one sentence or read rightly, and nothing else."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from .catalogue import KINDS
from .harness import Kind, attempt, listing


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_hostile_inputs_are_refused_in_one_sentence_or_read_rightly(kind: Kind, tmp_path):
    folder, canary = tmp_path / "inputs", tmp_path / "beside"
    folder.mkdir()
    canary.mkdir()
    (canary / "canary.png").write_bytes(b"canary")
    cases = kind.write(folder)
    before = listing(tmp_path)
    tried = [(case, *attempt(kind.read, case)) for case in cases]
    faults = [f"{case}: {fault}" for case, fault, _ in tried if fault]
    assert not faults, "\n".join(faults)
    accepted = [case for case, _, refused in tried if not refused]
    if kind.expected == "accepted":
        assert len(accepted) == len(cases)
    else:
        assert len(accepted) < len(cases), "inputs that are all accepted test nothing"
    if kind.expected == "refused":
        assert not accepted
    assert listing(tmp_path) == before
    assert len(cases) == kind.n


def test_there_are_a_thousand():
    assert sum(kind.n for kind in KINDS) >= 1000


_ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_in_the_docs_are_those_of_these_tests():
    written = (_ROOT / "docs/faults.md").read_text(encoding="utf-8")
    tool = runpy.run_path(str(_ROOT / "tools/hostile_table.py"))
    assert tool["page"](written) == written, "run `python tools/hostile_table.py`"


def test_an_audit_that_cannot_run_says_so():
    """No scanner, no database, no packages: as on a machine without network."""
    done = subprocess.run(
        [sys.executable, "-S", str(_ROOT / "tools/audit.py")],
        env={"PATH": ""}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("audit: skipped, nothing was looked up: ")
    assert done.stdout.count("\n") == 1
