"""Tasks on a Dask cluster: one that is there, one on this machine, or one from a batch system."""

from __future__ import annotations

import asyncio
import ctypes
import platform
import queue
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import aisthesis
from aisthesis.config import DaskConfig
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.execution.cores import cores
from aisthesis.execution.jobs import Task, run_task
from aisthesis.execution.progress import ProgressReporter
from aisthesis.execution.same_code import asked_of_a_worker, code_of_this_process, differences
from aisthesis.store.files import plain_errors

__all__ = ["DaskExecutor", "dask_executor"]

#: Tasks a thread of a worker has before it, so that it never waits for the next.
_AHEAD = 3
WAIT_AT_FIRST_S = 30.0
WAIT_FOR_SCHEDULER_S = 120.0
WAIT_FOR_WORKERS_S = 120.0
#: A scheduler that does not answer for so long is taken for lost.
ANSWER_S = 20.0
#: A worker that has not said for so long what code it runs is not waited for.
WORKER_ANSWER_S = 60.0
#: Without a finished task for so long, the workers are asked for.
CHECK_S = 5.0
# Of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_BATCH_SYSTEMS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}


@contextmanager
def dask_executor(
    config: DaskConfig,
    n_workers: int | None,
    threads: int,
    reporter: ProgressReporter,
    folder: Path | None = None,
) -> Iterator[DaskExecutor]:
    """Give an executor on the cluster that a study asks for, started where need be.

    Its workers have to run the same code and see the study's `folder`.

    Raises
    ------
    RequestError
        If Dask (or dask-jobqueue) is not installed, or the batch system's options are wrong.
    AisthesisError
        If the scheduler cannot be reached, or a worker has other code or does not see the folder.
    """
    _require_dask()
    cluster: Any = None if config.scheduler else _start(config, n_workers)
    address = config.scheduler or str(cluster.scheduler_address)
    executor = DaskExecutor(address, threads, reporter)
    try:
        executor.require_same_workers(folder)
        reporter.say(
            f"dask: {executor.n_threads()} worker threads at {address}, "
            f"dashboard {executor.dashboard()}"
        )
        yield executor
    finally:
        executor.close()
        if cluster is not None:
            with suppress(TimeoutError):
                cluster.close(timeout=30)


class DaskExecutor:
    """Does tasks on the workers of a scheduler.

    Only names of images and numbers of chunks go through the scheduler; what is computed is
    written to the study's folder, which all workers must see under the same path.
    """

    pooled = True

    def __init__(self, address: str, threads: int, reporter: ProgressReporter) -> None:
        self._address, self._threads, self._reporter = address, threads, reporter
        self._client = self._connect(WAIT_AT_FIRST_S)

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks, a few ahead of the workers; a lost scheduler is waited for."""
        from concurrent.futures import CancelledError

        from distributed.comm.core import CommClosedError

        left = dict(enumerate(tasks))
        while left:
            try:
                for number, images in self._round(left):
                    del left[number]
                    yield images
            except (CancelledError, CommClosedError, TimeoutError, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise AisthesisError(f"a task failed: {error}") from error
                self._reconnect(len(left))

    def _round(self, left: dict[int, Task]) -> Iterator[tuple[int, int]]:
        """Submit what is left and give (number of the task, its images) as they are finished."""
        from distributed.scheduler import KilledWorker

        waiting = iter(list(left.items()))
        running: dict[Any, int] = {}  # number of the task, by future
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def submit() -> None:
            item = next(waiting, None)
            if item is not None:
                number, task = item
                future = self._client.submit(
                    work_on, task, self._threads, code_of_this_process(), pure=False
                )
                running[future] = number
                future.add_done_callback(finished.put)

        for _ in range(max(1, self.n_threads()) * _AHEAD):
            submit()
        seen = time.monotonic()
        while running:
            try:
                future = finished.get(timeout=CHECK_S)
            except queue.Empty:
                seen = self._when_workers_were_seen(seen)
                continue
            submit()
            try:
                images = future.result(timeout=30)
            except KilledWorker as error:
                raise AisthesisError(
                    f"workers died again and again on one chunk ({error.task}); they may need "
                    "more memory, or a smaller `batch_size`"
                ) from None
            except (TypeError, AttributeError, ImportError) as error:
                # A worker that joined later with code that knows no such task.
                self.require_same_workers(None)
                raise AisthesisError(f"a worker could not do a task: {error}") from error
            yield running.pop(future), images

    def _when_workers_were_seen(self, last: float) -> float:
        """Ask for workers and give the time if there are any; refuse to wait for them for ever."""
        if self.n_threads():
            return time.monotonic()
        if time.monotonic() - last > WAIT_FOR_WORKERS_S:
            raise AisthesisError(
                f"the scheduler at {self._address} has had no workers for {WAIT_FOR_WORKERS_S:.0f} "
                "s; start some, then give the same command again: it goes on from here"
            )
        return last

    def require_same_workers(self, folder: Path | None) -> None:
        """Ask every worker for its code and for the study's folder.

        Raises
        ------
        AisthesisError
            With the first worker that would compute something else, or write elsewhere.
        """
        mark = None if folder is None else folder / f".{secrets.token_hex(8)}.seen"
        try:
            if mark is not None:
                with plain_errors(mark):
                    mark.touch()
            answers = self._answers(None if mark is None else str(mark))
        finally:
            if mark is not None:
                mark.unlink(missing_ok=True)
        for worker, answer in answers.items():
            if isinstance(answer, TimeoutError):
                raise AisthesisError(
                    f"the worker at {worker} does not answer within {WORKER_ANSWER_S:.0f} s; "
                    "restart it and give the same command again"
                )
            if not isinstance(answer, dict):
                raise AisthesisError(
                    f"the worker at {worker} cannot say which aisthesis it runs ({answer}); "
                    f"install {aisthesis.__version__} there, with the same Python"
                )
            refuse_other_code(answer["code"], f"the worker at {worker}")
            if not answer["seen"]:
                raise AisthesisError(
                    f"the worker at {worker} does not see {folder}; workers write into the study's "
                    "folder, so put it on a disk that all machines see under the same path"
                )

    def _answers(self, mark: str | None) -> dict[str, Any]:
        """What each worker says of its code and of a file, or the error that came instead.

        Never for ever: one that stands still counts as `TimeoutError`.
        """
        client, question = self._client, asked_of_a_worker()

        async def ask(worker: str) -> Any:
            asked = client.run(question, mark, workers=[worker], on_error="return")
            try:
                return (await asyncio.wait_for(asked, WORKER_ANSWER_S)).get(worker)
            except (TimeoutError, OSError) as error:
                return error

        async def ask_all() -> dict[str, Any]:
            workers = list(await client.scheduler.ncores())
            return dict(zip(workers, await asyncio.gather(*map(ask, workers)), strict=True))

        try:
            found: dict[str, Any] = client.sync(
                ask_all, callback_timeout=ANSWER_S + WORKER_ANSWER_S
            )
        except TimeoutError:
            raise AisthesisError(
                f"the scheduler at {self._address} does not answer within {ANSWER_S:.0f} s; "
                "restart it and give the same command again"
            ) from None
        return found

    def n_threads(self) -> int:
        """Threads of all workers; `TimeoutError` where the scheduler does not answer."""
        client = self._client
        return sum(client.sync(client.scheduler.ncores, callback_timeout=ANSWER_S).values())

    def dashboard(self) -> str:
        """Address of the dashboard."""
        return str(self._client.dashboard_link or "not available (install bokeh)")

    def close(self) -> None:
        """Let go of the scheduler; what it still runs is cancelled."""
        self._client.close(timeout=5)

    def _connect(self, wait_s: float) -> Any:
        from distributed import Client

        ends = time.monotonic() + wait_s
        while True:
            try:
                client = Client(self._address, timeout=min(10.0, wait_s), set_as_default=False)
                client.wait_for_workers(1, timeout=max(10.0, wait_s))
                return client
            except (OSError, TimeoutError, ValueError) as error:
                if isinstance(error, ValueError) or time.monotonic() > ends:
                    raise AisthesisError(
                        f"no Dask scheduler with workers answers at {self._address}; start it, or "
                        "give another address; the same command goes on from here"
                    ) from None
                time.sleep(1.0)

    def _reconnect(self, n_left: int) -> None:
        self._reporter.warn(
            f"the scheduler at {self._address} is lost with {n_left} chunks to do; waiting up to "
            f"{WAIT_FOR_SCHEDULER_S:.0f} s for it to come back"
        )
        self._client.close(timeout=1)
        self._client = self._connect(WAIT_FOR_SCHEDULER_S)


def work_on(task: Task, threads: int, code: Mapping[str, str]) -> int:
    """Do one task on a worker, which may have joined since the others were asked for their code."""
    refuse_other_code(code_of_this_process(), f"the worker on {platform.node()}", here=code)
    keep_memory()
    return run_task(task, threads)


def refuse_other_code(
    there: Mapping[str, str], who: str, *, here: Mapping[str, str] | None = None
) -> None:
    """Refuse a worker whose code or libraries would give other numbers.

    Raises
    ------
    AisthesisError
        With what differs.
    """
    found = differences(code_of_this_process() if here is None else here, there)
    if found:
        raise AisthesisError(
            f"{who} computes with other code: {found}; install the same there, restart it and give "
            "the same command again"
        )


@lru_cache(maxsize=1)
def keep_memory() -> None:
    """Let this process keep freed memory, once.

    Dask starts workers so that each freed tensor goes back to the system, and every layer of a
    network then waits for fresh pages: twice the time. Other systems' C libraries have no such
    switch and need none.
    """
    try:
        allocator = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    allocator(_MMAP_THRESHOLD, 32 << 20)
    allocator(_TRIM_THRESHOLD, 512 << 20)


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise RequestError(
            'engine = "dask" needs Dask; install it with: pip install "aisthesis[cluster]"'
        ) from None


def _start(config: DaskConfig, n_workers: int | None) -> Any:
    """Start a cluster on this machine or through a batch system."""
    if config.cluster == "local":
        from distributed import LocalCluster

        n = n_workers or cores()
        return LocalCluster(
            n_workers=n, threads_per_worker=1, dashboard_address=":0", **config.options
        )
    try:
        import dask_jobqueue
    except ImportError:
        raise RequestError(
            f'cluster = "{config.cluster}" needs dask-jobqueue; install it with: '
            'pip install "aisthesis[cluster]"'
        ) from None
    try:
        cluster = getattr(dask_jobqueue, _BATCH_SYSTEMS[config.cluster])(**config.options)
        cluster.scale(jobs=n_workers or 1)
    except (TypeError, ValueError) as error:
        raise RequestError(f"[dask.options] does not suit {config.cluster}: {error}") from None
    return cluster
