"""Work shared out among helper processes on this machine, which are started afresh."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from typing import Any, Self, TypeAlias

import torch

from aisthesis.errors import AisthesisError
from aisthesis.execution.helpers import helper
from aisthesis.execution.jobs import Executor, Serial, Task, run_task
from aisthesis.loading import loading

__all__ = ["Processes", "or_processes", "serve", "threads_of"]

#: Number of a job, what is called, and with what.
_Asked: TypeAlias = tuple[int, Callable[..., Any], tuple[Any, ...]]


class Processes:
    """Does tasks in this process and in helpers beside it; results as those of `Serial`.

    A helper is started once there is work for it, and stays from one stage to the next, until
    this is left as a context.

    Parameters
    ----------
    n : int
        Processes, this one, which has all loaded, among them.
    threads : int
        Of torch in each, while it does a task: sums depend on it in their last digits.
    """

    pooled = True

    def __init__(self, n: int, threads: int = 1) -> None:
        self._n, self.threads = n, threads
        self._forget()

    def _forget(self) -> None:
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._each: list[Thread] = []  # one that talks to each helper
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def started(self) -> bool:
        """Whether work is shared without waiting for a process to start."""
        return bool(self._each)

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks, several at a time; a single one is done in this process."""
        if len(tasks) < 2:
            yield from Serial().run(tasks)
            return
        jobs = [(task, self.threads) for task in tasks]
        for _, images in self.as_finished(run_task, jobs):
            yield images

    def as_finished(
        self, work: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        """Call a function with each job's arguments, several at a time.

        Parameters
        ----------
        work : callable
            At the top level of a module of this package; it and the arguments are pickled.
        jobs : sequence of tuple
            Arguments of each call.

        Yields
        ------
        (int, object)
            Number of a job and its result, as jobs are finished.

        Raises
        ------
        AisthesisError
            What a job raised; or that a helper ended before its job was done.
        """
        for number, job in enumerate(jobs):
            self._waiting.put((number, work, job))
        while len(self._each) < min(self._n, len(jobs)) - 1:
            self._each.append(Thread(target=self._help_out, args=(work.__module__,), daemon=True))
            self._each[-1].start()
        done = 0
        try:
            while asked := _next(self._waiting):
                number, _, job = asked
                with _threads(self.threads):
                    result = work(*job)
                done += 1
                yield number, result
            for _ in range(len(jobs) - done):
                number, result = self._finished.get()
                if number < 0:
                    raise result
                yield number, result
        except (KeyboardInterrupt, GeneratorExit):
            self.close()
            raise
        except BaseException:
            self.close(at_once=False)
            raise

    def close(self, *, at_once: bool = True) -> None:
        """End the helpers; unless `at_once`, after the jobs that they are at."""
        _empty(self._waiting)
        self._closing = True
        for _ in self._each:
            self._waiting.put(None)
        if at_once:
            for helper in self._helpers:
                helper.terminate()
        for thread in self._each:
            thread.join()
        self._forget()

    def _help_out(self, module: str) -> None:
        """Start a helper, and have it do jobs until it is told to end."""
        try:
            with _helper(self.threads, self._helpers) as ask:
                ask(_load, (module,))  # until it has, this process does more
                while asked := self._waiting.get():
                    number, work, job = asked
                    self._finished.put((number, ask(work, job)))
        except BaseException as error:  # noqa: BLE001 - raised where the results are taken
            _empty(self._waiting)  # the others shall begin nothing more
            if self._closing:
                for _ in self._each:
                    self._waiting.put(None)
            self._finished.put((-1, error))


@contextmanager
def or_processes(executor: Executor, n: int, threads: int = 1) -> Iterator[Executor]:
    """Give an executor that has workers, and for any other `n` processes here if they are several.

    Parameters
    ----------
    executor : Executor
    n : int
        Processes that the work is worth, this one among them.
    threads : int
        Of torch in each.
    """
    if executor.pooled or n < 2:
        yield executor
        return
    with Processes(n, threads) as processes:
        yield processes


@contextmanager
def threads_of(executor: Executor) -> Iterator[None]:
    """Have torch here work with as many threads as in an executor's helpers on this machine.

    Threads that wait for one another cost more than they bring where all cores are at work.
    """
    n = executor.threads if isinstance(executor, Processes) else torch.get_num_threads()
    with _threads(n):
        yield


def _load(module: str) -> None:
    with loading():
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


def _next(waiting: queue.SimpleQueue[_Asked | None]) -> _Asked | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None


def _empty(waiting: queue.SimpleQueue[_Asked | None]) -> None:
    while _next(waiting):
        pass


@contextmanager
def _helper(
    threads: int, helpers: list[subprocess.Popen[bytes]]
) -> Iterator[Callable[[Callable[..., Any], tuple[Any, ...]], Any]]:
    """Start a process and give the function that has it do a job."""
    process = helper(threads)
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
