"""Work shared out among helper processes on this machine, which are started afresh."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch

from aisthesis.errors import AisthesisError
from aisthesis.execution.jobs import Serial, Task, run_task

__all__ = [
    "Processes",
    "allowed_cores",
    "as_finished",
    "cores",
    "in_processes",
    "in_turn_or_processes",
    "serve",
]

# Not multiprocessing: its fresh processes would run the user's own script once more.
_HELPER = "from aisthesis.execution.processes import serve; serve()"


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allowed_cores() -> int:
    """Processors for work that nobody has asked to be shared out: OMP_NUM_THREADS limits them."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), int(limit)) if limit.isdecimal() and int(limit) else cores()


def in_processes(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    n_processes: int,
    *,
    threads: int = 1,
    advance: Callable[[int], None] = lambda n: None,
) -> list[Any]:
    """Call a function with each job's arguments, several at a time.

    Parameters
    ----------
    work : callable
        At the top level of a module of this package; it and the arguments are pickled.
    jobs : sequence of tuple
        Arguments of each call.
    n_processes : int
        Helpers, each of which takes one job after another.
    threads : int
        Of torch in each helper.
    advance : callable
        Told of every job that is done.

    Returns
    -------
    list
        Results in the order of the jobs.

    Raises
    ------
    AisthesisError
        What a job raised; or that a helper ended before its job was done.
    """
    results: list[Any] = [None] * len(jobs)
    for number, result in as_finished(work, jobs, n_processes, threads=threads):
        results[number] = result
        advance(1)
    return results


def in_turn_or_processes(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    n_processes: int,
    advance: Callable[[int], None],
) -> list[Any]:
    """Do jobs as `in_processes`, but this process, which has all loaded, is one of them.

    For one job, or with one process, no other is started.
    """
    results: list[Any] = [None] * len(jobs)
    for number, result in as_finished(work, jobs, min(n_processes, len(jobs)), here=True):
        results[number] = result
        advance(1)
    return results


def as_finished(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    n_processes: int,
    *,
    threads: int = 1,
    here: bool = False,
) -> Iterator[tuple[int, Any]]:
    """Give (number of the job, its result) as jobs are finished; otherwise as `in_processes`.

    With `here` this process is one of them, and has the same number of torch's threads meanwhile
    if there are others: sums depend on it in their last digits.
    """
    if here and n_processes < 2:
        yield from ((number, work(*job)) for number, job in enumerate(jobs))
        return
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(jobs)):
        waiting.put(number)
    finished: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    helpers: list[subprocess.Popen[bytes]] = []

    def help_out() -> None:
        number = -1
        try:
            with _helper(threads, helpers) as ask:
                if here:  # until a helper has loaded what it needs, this process does more
                    ask(_load, (work.__module__,))
                while (number := _next(waiting, -1)) >= 0:
                    finished.put((number, ask(work, jobs[number])))
        except BaseException as error:  # noqa: BLE001 - raised where the results are taken
            _empty(waiting)  # the others shall begin nothing more
            finished.put((-1, error))

    with ThreadPoolExecutor(n_processes) as pool:
        for _ in range(min(n_processes, len(jobs)) - here):
            pool.submit(help_out)
        done = 0
        try:
            while here and (number := _next(waiting, -1)) >= 0:
                with _threads(threads):
                    result = work(*jobs[number])
                done += 1
                yield number, result
            for _ in range(len(jobs) - done):
                number, result = finished.get()
                if number < 0:
                    raise result
                yield number, result
            if here:
                for helper in helpers:  # one may still be loading what nobody needs any more
                    helper.terminate()
        except (KeyboardInterrupt, GeneratorExit):
            _empty(waiting)
            for helper in helpers:  # nobody waits for what they are at
                helper.terminate()
            raise
        finally:
            _empty(waiting)


class Processes:
    """Does tasks in helper processes on this machine; results as those of `Serial`.

    Parameters
    ----------
    n : int
        Helpers.
    threads : int
        Of torch in each.
    here : bool
        Whether this process, which has all loaded, is one of them.
    """

    pooled = True

    def __init__(self, n: int, threads: int = 1, *, here: bool = False) -> None:
        self._n, self._threads, self._here = n, threads, here

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks, several at a time; a single one is done in this process."""
        if len(tasks) < 2:
            yield from Serial().run(tasks)
            return
        jobs = [(task, self._threads) for task in tasks]
        n = min(self._n, len(jobs)) if self._here else self._n
        if n < 2 and self._here:
            yield from Serial().run(tasks)
            return
        for _, images in as_finished(run_task, jobs, n, threads=self._threads, here=self._here):
            yield images


def _load(module: str) -> None:
    import_module(module)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Have torch work with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _next(waiting: queue.SimpleQueue[int], none: int) -> int:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return none


def _empty(waiting: queue.SimpleQueue[int]) -> None:
    while _next(waiting, -1) >= 0:
        pass


@contextmanager
def _helper(
    threads: int, helpers: list[subprocess.Popen[bytes]]
) -> Iterator[Callable[[Callable[..., Any], tuple[Any, ...]], Any]]:
    """Start a process and give the function that has it do a job."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", _HELPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)},
        # Ctrl-C is for the process that was started by hand; it stops its helpers itself.
        start_new_session=True,
    )
    helpers.append(process)
    to, back = process.stdin, process.stdout
    if to is None or back is None:
        raise AisthesisError("a helper process could not be started")

    def ask(work: Callable[..., Any], job: tuple[Any, ...]) -> Any:
        try:
            pickle.dump((work, job), to)
            to.flush()
            fine, result = pickle.load(back)
        except (EOFError, BrokenPipeError):
            raise AisthesisError(
                f"a helper process ended before its work was done (code {process.wait()}); what it "
                "said is above"
            ) from None
        if not fine:
            raise result
        return result

    try:
        yield ask
    finally:
        for pipe in (to, back):
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        process.terminate()
        process.wait()


def serve() -> None:
    """Do the jobs that come through standard input until it is closed; the helper's whole life."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the results
    while True:
        try:
            work, job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = (True, work(*job))
        except AisthesisError as error:
            answer = (False, error)
        pickle.dump(answer, results)
        results.flush()
