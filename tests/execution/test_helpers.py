"""Helpers that are started ahead of their work are those that do it."""

from __future__ import annotations

import os
import subprocess

import pytest

from aisthesis.execution import helpers
from aisthesis.execution.processes import Processes


@pytest.fixture
def waiting(monkeypatch):
    """Helpers that are waiting for work: none so far."""
    held = {}
    monkeypatch.setattr(helpers, "_waiting", held)
    yield held
    helpers._end()


def test_a_helper_started_ahead_does_the_work(waiting, tmp_path) -> None:
    helpers.start_ahead(tmp_path, 2, threads=1)
    helpers.start_ahead(tmp_path, 2, threads=1)  # is there already
    ((ahead,),) = waiting.values()
    pids, jobs = set(), [("sleep 0.1; echo $PPID",)] * 4
    with Processes(2, threads=1) as processes:
        while len(pids) < 2:
            pids |= {int(pid) for _, pid in processes.as_finished(subprocess.getoutput, jobs)}
    assert pids == {os.getpid(), ahead.pid}
    assert ahead.wait() != 0


def test_one_of_other_threads_or_that_has_died_is_passed_over(waiting, tmp_path) -> None:
    helpers.start_ahead(tmp_path, 2, threads=1)
    ((ahead,),) = waiting.values()
    another = helpers.helper(threads=2)
    ahead.kill()
    ahead.wait()
    new = helpers.helper(threads=1)
    assert ahead.pid not in (another.pid, new.pid)
    for one in (another, new):
        one.communicate()  # its standard input is closed, so it ends
        assert one.returncode == 0


def test_none_is_started_for_a_study_that_has_been_at_work(waiting, tmp_path) -> None:
    (tmp_path / "ledger").mkdir()
    helpers.start_ahead(tmp_path, 3, threads=1)
    assert not waiting


def test_one_without_work_ends(waiting, tmp_path) -> None:
    helpers.start_ahead(tmp_path, 3, threads=1)
    (held,) = waiting.values()
    helpers._end()
    assert [one.wait() for one in held] == [-15, -15]
