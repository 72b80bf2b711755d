"""Dask gives what the serial engine gives, also when workers die or the scheduler is restarted."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from aisthesis import Study
from aisthesis.errors import AisthesisError
from aisthesis.execution.progress import ProgressReporter

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch) -> None:
    """Many small chunks, so that there is a middle in which something can go wrong."""
    monkeypatch.setattr("aisthesis.studies.ratings.explaining.explain.IMAGES_A_CHUNK", 4)
    monkeypatch.setattr("aisthesis.studies.ratings.fitting.embed.IMAGES_A_FILE", 8)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)


class AtFirst(ProgressReporter):
    """Does something when the first chunk (or so many) of each of some works is finished."""

    def __init__(self, works: tuple[str, ...], then, chunks: int = 1) -> None:
        self.left, self.then, self.chunks = set(works), then, chunks
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    warn = say

    def steps(self, label, total):
        from contextlib import contextmanager

        @contextmanager
        def counted():
            finished = []

            def advance(n: int) -> None:
                finished.append(n)
                for work in [w for w in self.left if w in label and len(finished) >= self.chunks]:
                    self.left.remove(work)
                    self.then()

            yield advance

        return counted()


@pytest.fixture(scope="module")
def serial(study_keys, tmp_path_factory):
    root = tmp_path_factory.mktemp("serial") / "s"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisthesis.studies.ratings.explaining.explain.IMAGES_A_CHUNK", 4)
        patch.setattr("aisthesis.studies.ratings.fitting.embed.IMAGES_A_FILE", 8)
        Study(**study_keys(root)).run(until="agree")
    return root


@pytest.fixture
def forked(children):
    """Have Dask fork its workers from the server that has imported everything."""
    import dask

    with pytest.MonkeyPatch.context() as patch:
        # What the server preloads is chosen already.
        patch.setattr("distributed.utils._forkserver_preload_set", True)
        with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
            yield


def workers() -> list:
    """Processes that a cluster on this machine has started and that do tasks."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # one that has ended and is not waited for yet
            if "forkserver" in " ".join(process.cmdline()) and not process.children():
                found.append(process)
    return found


@pytest.mark.usefixtures("forked")
def test_workers_killed_in_the_middle_lose_nothing(
    serial, study_keys, tmp_path, same_study
) -> None:
    def kill() -> None:
        victim = max(workers(), key=lambda p: sum(p.cpu_times()[:2]))
        os.kill(victim.pid, signal.SIGKILL)

    reporter = AtFirst(("embeddings", "maps"), kill)
    keys = study_keys(tmp_path / "s") | {"engine": "dask", "workers": 2}
    Study(**keys, reporter=reporter).run(until="agree")
    assert not reporter.left
    assert any("dashboard http" in line for line in reporter.said)
    same_study(serial, tmp_path / "s")


def test_processes_killed_in_the_middle_are_said_and_gone_on_from(
    serial, study_keys, tmp_path, same_study
) -> None:
    """What they have made, some of the maps, is what the serial engine gives."""

    def kill() -> None:
        for child in psutil.Process().children():
            with suppress(psutil.Error):  # one that has ended and is not waited for yet
                if "serve" in " ".join(child.cmdline()):
                    child.kill()

    keys = study_keys(tmp_path / "s") | {"engine": "processes", "workers": 2}
    with pytest.raises(AisthesisError, match="helper process ended before its work was done"):
        Study(**keys, reporter=AtFirst(("maps",), kill, chunks=4)).run(until="agree")
    Study(**keys | {"engine": "serial"}).run(until="agree")
    same_study(serial, tmp_path / "s")


class Cluster:
    """A scheduler and workers as processes of their own, forked from a server where they can be."""

    def __init__(self, children, port: int, folder) -> None:
        self.port, self.folder = port, folder
        self._children = children
        self.processes: list = []

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.start_scheduler()
        self._fork("dask_worker", self._of_worker)

    def start_scheduler(self) -> None:
        options = ["--port", str(self.port), "--no-dashboard", "--host", "127.0.0.1"]
        self._fork("dask_scheduler", options)

    def start_worker_with(self, path) -> None:
        """Start a worker that takes its packages from elsewhere first."""
        command = [sys.executable, "-m", "distributed.cli.dask_worker", *self._of_worker]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder}
        env = os.environ | {"PYTHONPATH": str(path)}
        self.processes.append(subprocess.Popen(command, env=env, **quiet))

    @property
    def _of_worker(self) -> list[str]:
        local = ["--local-directory", str(self.folder)]
        return [self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny", *local]

    def _fork(self, name: str, options: list[str]) -> None:
        module, target = f"distributed.cli.{name}", self._children.warm.run_module
        process = self._children.Process(target=target, args=(module, options))
        process.start()
        self.processes.append(process)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            getattr(process, "wait", getattr(process, "join", None))()
        self.processes.clear()


@pytest.fixture
def cluster(children, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Cluster(children, port, tmp_path)
    yield made
    made.stop()


def test_the_scheduler_lost_and_restarted(
    cluster, serial, study_keys, tmp_path, same_study
) -> None:
    def restart() -> None:
        cluster.stop()
        time.sleep(0.5)
        cluster.start()

    cluster.start()
    reporter = AtFirst(("maps",), restart)
    keys = study_keys(tmp_path / "s")
    keys |= {"engine": "dask", "dask": {"scheduler": cluster.address}}
    Study(**keys, reporter=reporter).run(until="agree")
    assert not reporter.left
    assert any("is lost with" in line for line in reporter.said)
    same_study(serial, tmp_path / "s")


def test_no_scheduler_is_one_sentence(study_keys, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("aisthesis.execution.cluster.WAIT_AT_FIRST_S", 1.0)
    keys = study_keys(tmp_path / "s")
    keys |= {"engine": "dask", "dask": {"scheduler": "tcp://127.0.0.1:9"}}
    with pytest.raises(AisthesisError, match="no Dask scheduler with workers answers") as caught:
        Study(**keys).run()
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("forked")
def test_a_network_is_loaded_once_a_worker(study_keys, tmp_path) -> None:
    """Every chunk of a worker names the same loading."""
    from aisthesis.execution.jobs import Chunk, Task

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    try:
        from aisthesis.execution.cluster import DaskExecutor

        executor = DaskExecutor(cluster.scheduler_address, 1, ProgressReporter())
        job = loaded_where(str(tmp_path))
        assert sum(executor.run([Task(job, Chunk(i, ("a", "b"))) for i in range(20)])) == 40
        executor.close()
    finally:
        cluster.close()
    assert len(list(tmp_path.glob("work-*"))) == 20
    assert 1 <= len(list(tmp_path.glob("load-*"))) <= 2


@pytest.mark.usefixtures("forked")
def test_workers_that_are_all_gone_are_not_waited_for_for_ever(tmp_path, monkeypatch) -> None:
    from aisthesis.execution import cluster as module
    from aisthesis.execution.jobs import Chunk, Task

    monkeypatch.setattr(module, "WAIT_FOR_WORKERS_S", 0.5)
    monkeypatch.setattr(module, "CHECK_S", 0.2)
    job = loaded_where(str(tmp_path))
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as one:
        executor = module.DaskExecutor(one.scheduler_address, 1, ProgressReporter())
        images = executor.run([Task(job, Chunk(i, ("a", "b"))) for i in range(200)])
        assert next(images) == 2
        one.scale(0)
        with pytest.raises(AisthesisError, match="has had no workers for") as caught:
            sum(images)
        assert "\n" not in str(caught.value)
        executor.close()


def loaded_where(place: str):
    """Give a job that is told to workers whole: they cannot import this file."""

    class LoadedWhere:
        """Leaves a file each time it is loaded and each time it works."""

        def __init__(self, folder: str) -> None:
            self.folder = folder

        @property
        def identity(self) -> str:
            return self.folder

        def load(self) -> str:
            from pathlib import Path
            from uuid import uuid4

            Path(self.folder, f"load-{uuid4()}").touch()
            return "loaded"

        def work(self, loaded, chunk) -> None:
            from pathlib import Path

            time.sleep(0.05)
            Path(self.folder, f"work-{chunk.number}").touch()

    return LoadedWhere(place)


def test_a_worker_with_other_sources_is_refused_before_the_first_task(cluster, tmp_path) -> None:
    """One character of a comment is enough; the same sources elsewhere are the same."""
    import shutil
    from pathlib import Path

    import aisthesis
    from aisthesis.execution.cluster import DaskExecutor
    from aisthesis.execution.jobs import Chunk, Task

    package = Path(aisthesis.__file__).parent
    for name in ("same", "other"):
        there = tmp_path / name / "aisthesis"
        shutil.copytree(package, there, ignore=shutil.ignore_patterns("__pycache__"))
    with (there / "errors.py").open("a") as file:
        file.write("# another make\n")
    cluster.start_scheduler()
    cluster.start_worker_with(tmp_path / "same")
    executor = DaskExecutor(cluster.address, 1, ProgressReporter())
    try:
        executor.require_same_workers(tmp_path)
        assert not list(tmp_path.glob(".*.seen"))
        same = cluster.processes.pop()
        same.kill()
        same.wait()
        ends = time.monotonic() + 30
        while executor.n_threads() and time.monotonic() < ends:
            time.sleep(0.05)
        cluster.start_worker_with(tmp_path / "other")
        executor._client.wait_for_workers(1, timeout=30)
        with pytest.raises(AisthesisError, match="the digest of its sources is") as caught:
            executor.require_same_workers(tmp_path)
        assert "\n" not in str(caught.value)
        # One that joins later is found by its first task.
        with pytest.raises(AisthesisError, match="computes with other code"):
            list(executor.run([Task(loaded_where(str(tmp_path)), Chunk(0, ("a",)))]))
        assert not list(tmp_path.glob("work-*"))
    finally:
        executor.close()


@pytest.mark.parametrize("which", ["aisthesis", "torch", "numpy", "python"])
def test_every_version_that_results_depend_on_is_compared(which) -> None:
    from aisthesis.execution.cluster import refuse_other_code
    from aisthesis.execution.same_code import code_of_this_process

    ours = code_of_this_process()
    refuse_other_code(dict(ours), "a worker")
    with pytest.raises(AisthesisError, match=f"{which} is 0 there and {ours[which]} here"):
        refuse_other_code(ours | {which: "0"}, "a worker")
    with pytest.raises(AisthesisError, match=f"{which} is missing there"):
        refuse_other_code({k: v for k, v in ours.items() if k != which}, "a worker")


def test_a_folder_that_a_worker_does_not_see_is_said(cluster, tmp_path, monkeypatch) -> None:
    from aisthesis.execution.cluster import DaskExecutor

    cluster.start()
    executor = DaskExecutor(cluster.address, 1, ProgressReporter())
    try:
        # The mark is made where no worker looks, as on a disk of this machine alone.
        monkeypatch.setattr("pathlib.Path.touch", lambda path: None)
        with pytest.raises(AisthesisError, match=r"does not see .*under the same path"):
            executor.require_same_workers(tmp_path)
    finally:
        executor.close()


def test_a_worker_that_stands_still_is_not_waited_for(cluster, tmp_path, monkeypatch) -> None:
    from aisthesis.execution import cluster as module

    monkeypatch.setattr(module, "WORKER_ANSWER_S", 1.0)
    cluster.start()
    executor = module.DaskExecutor(cluster.address, 1, ProgressReporter())
    worker = cluster.processes[1]
    try:
        os.kill(worker.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(AisthesisError, match="does not answer within 1 s") as caught:
            executor.require_same_workers(tmp_path)
        assert time.monotonic() - started < 30
        assert "\n" not in str(caught.value)
    finally:
        os.kill(worker.pid, signal.SIGCONT)
        executor.close()
