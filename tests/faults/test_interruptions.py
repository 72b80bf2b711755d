"""A study that is stopped anywhere ends as if it had not been."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from aisthesis.cli.main import main
from aisthesis.errors import AisthesisError
from aisthesis.execution.progress import ProgressReporter

from .harness import go_on, opened
from .test_damage import move_out

#: Kills of each study until it may end, and studies of each kind.
KILLS, STUDIES = 4, 1


class Runs:
    """Runs of the study that a folder is of, each in a process of its own."""

    def __init__(self, children, folder: Path) -> None:
        self._children, self._folder = children, folder
        self._text = (folder.parent / "study.toml").read_text(encoding="utf-8")

    def file(self, name: str) -> Path:
        """The study file of a run that writes to another folder."""
        file = self._folder.parent / f"{name}.toml"
        file.write_text(self._text.replace('out = "study"', f'out = "{name}"'), encoding="utf-8")
        return file

    def start(self, name: str):
        child = self._children.Process(
            target=self._children.warm.go_on, args=(str(self.file(name)),)
        )
        child.start()
        return child

    def start_module(self, name: str, arguments: list[str], said: Path):
        """Be `python -m name arguments`; what it says on standard error goes to a file."""
        rest = (name, arguments, str(said))
        child = self._children.Process(target=self._children.warm.run_module, args=rest)
        child.start()
        return child


@pytest.fixture
def runs(children, folder) -> Runs:
    return Runs(children, folder)


def test_kill_9_at_random_moments_loses_nothing(runs, folder, whole, same_study) -> None:
    # The first run's time, other work beside it and all, is what moments are drawn from.
    started = time.perf_counter()
    child = runs.start("undisturbed")
    child.join()
    seconds = time.perf_counter() - started
    assert child.exitcode == 0
    same_study(whole, folder.parent / "undisturbed")
    killed = 0
    for number, moments in enumerate(np.random.default_rng(0).random((STUDIES, KILLS)) * seconds):
        name = f"killed{number}"
        for moment in moments:
            child = runs.start(name)
            child.join(float(moment))
            with suppress(ProcessLookupError):  # done before its moment
                os.kill(child.pid, signal.SIGKILL)
            child.join()
            killed += child.exitcode == -signal.SIGKILL
        child = runs.start(name)
        child.join()
        assert child.exitcode == 0, f"not gone on with after kills at {moments} s"
        same_study(whole, folder.parent / name)
    assert killed >= 1  # what goes on may be done before its moment


def test_kills_one_after_another_on_the_same_study(runs, folder, whole, same_study) -> None:
    """Every run goes on from where the last one was killed; what is done is not done again."""
    store = folder.parent / "often" / "ledger"
    done: set[str] = set()

    def entries() -> set[str]:
        with suppress(FileNotFoundError):  # a folder may go while it is looked through
            # Names that begin with a dot are entries that are still being written.
            names = (p for p in store.rglob("*.json") if not p.name.startswith("."))
            return {str(p.relative_to(store)) for p in names}
        return done

    for _ in range(60):
        child = runs.start("often")
        ends = time.perf_counter() + 60
        # Killed as soon as two things more are finished.
        while child.is_alive() and time.perf_counter() < ends:
            if len(entries()) > len(done) + 1:
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
    assert len(done) >= (3 if (whole / "alignment.csv").exists() else 6)
    same_study(whole, folder.parent / "often")


def test_ctrl_c_says_how_to_go_on(runs, folder, whole, same_study, unreported) -> None:
    file = move_out(folder, folder.parent / "stopped")
    stage = "align" if (folder / "alignment.csv").exists() else "agree"
    said = folder.parent / "said"
    child = runs.start_module("aisthesis.cli", [stage, str(file)], said)
    while not (folder.parent / "stopped/study.toml").is_file() and child.is_alive():
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGINT)
    child.join(60)
    error = said.read_text(encoding="utf-8")
    assert child.exitcode == 130, error
    assert "the same command goes on from here" in error
    assert "Traceback" not in error
    assert main([stage, str(file)]) == 0
    same_study(whole, folder.parent / "stopped")


def test_a_second_run_on_the_same_folder_is_told_so(folder, unreported) -> None:
    file = move_out(folder, folder.parent / "twice")
    told = []

    class Listener(ProgressReporter):
        def say(self, message: str) -> None:
            if not told and (folder.parent / "twice").is_dir():
                with pytest.raises(AisthesisError, match="another run is at work") as caught:
                    go_on(file)
                told.append(str(caught.value))

    go_on(file, Listener())
    assert str(os.getpid()) in told[0]
    assert set(opened(file).status()["state"]) == {"done"}
