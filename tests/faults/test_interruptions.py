"""A study that is stopped anywhere ends as if it had not been."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from aisthesis import Study
from aisthesis.errors import AisthesisError

MOMENTS = 10


def _run(keys) -> None:
    import torch

    torch.set_num_threads(1)
    Study(**keys).run(until="agree")


@pytest.fixture(scope="module")
def small_keys(study_keys):
    """Of a study of one seed: it is run some thirty times here."""
    return lambda out: study_keys(out) | {"seeds": 1, "explain": "test"}


@pytest.fixture(scope="module")
def children():
    """Processes that start at once: a clean server has imported everything for them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aisthesis.study", "aisthesis.pipeline.status"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield context


def _start(children, keys):
    # A method of the library: the server need not find this file.
    child = children.Process(target=Study(**keys).run, kwargs={"until": "agree"})
    child.start()
    return child


def test_kill_9_at_ten_random_moments_loses_nothing(
    children, small_keys, tmp_path, same_study
) -> None:
    whole = small_keys(tmp_path / "whole")
    child = _start(children, whole)
    child.join()
    started = time.perf_counter()
    child = _start(children, small_keys(tmp_path / "again"))
    child.join()
    seconds = time.perf_counter() - started
    assert child.exitcode == 0
    moments = np.random.default_rng(0).uniform(0.02, 0.98, MOMENTS) * seconds
    killed = 0
    for number, moment in enumerate(moments):
        keys = small_keys(tmp_path / f"killed{number}")
        child = _start(children, keys)
        child.join(float(moment))
        with suppress(ProcessLookupError):  # done before its moment, on a machine that got free
            os.kill(child.pid, signal.SIGKILL)
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        child = _start(children, keys)
        child.join()
        assert child.exitcode == 0, f"not gone on with after a kill at {moment:.2f} s"
        same_study(tmp_path / "whole", tmp_path / f"killed{number}")
    assert killed >= MOMENTS // 2


def test_kills_one_after_another_on_the_same_study(
    children, small_keys, tmp_path, same_study
) -> None:
    """Every run goes on from where the last one was killed; what is done is not done again."""
    _run(small_keys(tmp_path / "whole"))
    keys = small_keys(tmp_path / "often")
    store = tmp_path / "often" / "ledger"
    done: set[str] = set()

    def entries() -> set[str]:
        with suppress(FileNotFoundError):  # a folder may go while it is looked through
            # Names that begin with a dot are entries that are still being written.
            names = (p for p in store.rglob("*.json") if not p.name.startswith("."))
            return {str(p.relative_to(store)) for p in names}
        return done

    for _ in range(60):
        child = _start(children, keys)
        ends = time.perf_counter() + 60
        # Killed as soon as something more is finished.
        while child.is_alive() and time.perf_counter() < ends:
            if len(entries()) > len(done):
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        child.join()
        now = entries()
        assert done <= now, (sorted(done - now), sorted(now - done))
        done = now
        if child.exitcode == 0:
            break
    assert child.exitcode == 0
    assert len(done) > 5
    same_study(tmp_path / "whole", tmp_path / "often")


def test_ctrl_c_says_how_to_go_on(study_keys, study_file, tmp_path, same_study) -> None:
    _run(study_keys(tmp_path / "whole"))
    file = study_file(tmp_path / "stopped")
    command = [sys.executable, "-m", "aisthesis.cli", "agree", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "stopped" / "ledger").is_dir() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "the same command goes on from here" in error
    assert "Traceback" not in error
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    same_study(tmp_path / "whole", tmp_path / "stopped")


def test_a_second_run_on_the_same_folder_is_told_so(study_keys, tmp_path, monkeypatch) -> None:
    keys = study_keys(tmp_path / "s")
    other = Study(**keys)
    told = []

    class Listener(type(other._narrator)):
        def say(self, message: str) -> None:
            if not told:
                with pytest.raises(AisthesisError, match="another run is at work") as caught:
                    other.run(until="fit")
                told.append(str(caught.value))

    Study(**keys, narrator=Listener()).run(until="explain")
    assert str(os.getpid()) in told[0]
    assert other.run(until="explain").status()["state"].iloc[0] == "done"
