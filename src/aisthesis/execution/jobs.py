"""Work that is done a chunk of images at a time, here or elsewhere."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch

from aisthesis.execution.progress import ProgressReporter

__all__ = [
    "Chunk",
    "Executor",
    "Job",
    "Serial",
    "Task",
    "forget",
    "forget_loaded",
    "in_chunks",
    "in_groups",
    "loaded_for",
    "run_task",
    "share_out",
]

T = TypeVar("T")

#: What is loaded for so many jobs (a network each, say) stays in a process.
_LOADED_KEPT = 2


@dataclass(frozen=True)
class Chunk:
    """Images that are worked on and stored together.

    Attributes
    ----------
    number : int
        Of the chunk.
    names : tuple of str
    digests : tuple of str
        SHA-256 of each image's bytes, as the study has checked them.
    ratings : tuple of float
        Human rating of each, or of each one a property; NaN where there is none.
    """

    number: int
    names: tuple[str, ...]
    digests: tuple[str, ...] = ()
    ratings: tuple[float, ...] | tuple[tuple[float, ...], ...] = ()


def in_chunks(
    names: Sequence[str],
    digests: Mapping[str, str],
    size: int,
    ratings: Sequence[float] | None = None,
) -> list[Chunk]:
    """Cut images, with their ratings where there are any, into chunks of so many."""
    return [
        Chunk(
            number,
            tuple(names[start : start + size]),
            tuple(digests[name] for name in names[start : start + size]),
            () if ratings is None else tuple(map(float, ratings[start : start + size])),
        )
        for number, start in enumerate(range(0, len(names), size))
    ]


class Job(Protocol):
    """One kind of work on chunks. It travels between processes, so it holds no network."""

    @property
    def identity(self) -> str:
        """Equal where `load` gives the same."""

    def load(self) -> Any:
        """Load what every chunk needs; done once in a process."""

    def work(self, loaded: Any, chunk: Chunk) -> None:
        """Compute a chunk and write it into the study's folder."""


@dataclass(frozen=True)
class Task:
    """A chunk of a job."""

    job: Job
    chunk: Chunk


class Executor(Protocol):
    """Who does tasks."""

    #: Whether the tasks of several networks are best given at once, or network by network.
    pooled: bool

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks; give the number of images of each as it is finished.

        Raises
        ------
        AisthesisError
            The first that a task raises. What is finished stays finished.
        """


class Serial:
    """Does one task after the other in this process."""

    pooled = False

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks in turn."""
        for task in tasks:
            run_task(task)
            yield len(task.chunk.names)


def share_out(
    tasks: Sequence[Task], title: str, executor: Executor, reporter: ProgressReporter
) -> None:
    """Have tasks done, and count their images."""
    with reporter.steps(title, sum(len(task.chunk.names) for task in tasks)) as advance:
        for n in executor.run(tasks):
            advance(n)


_loaded: OrderedDict[str, Any] = OrderedDict()
# Removing channels hooks a network: two threads of a worker must not do so to the same one.
_one_at_a_time = threading.Lock()


def run_task(task: Task, threads: int | None = None) -> int:
    """Do one task with what this process has loaded; give the number of its images."""
    with _one_at_a_time:
        if threads is not None and torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        task.job.work(loaded_for(task.job), task.chunk)
    return len(task.chunk.names)


def in_groups(items: Sequence[T], *, pooled: bool) -> list[list[T]]:
    """Put items whose tasks are given at once into one group: all of them, or each alone."""
    if not items:
        return []
    return [list(items)] if pooled else [[item] for item in items]


def forget_loaded() -> None:
    """Free all that jobs have loaded in this process."""
    _loaded.clear()


def forget(job: Job) -> None:
    """Free what a job has loaded in this process."""
    _loaded.pop(job.identity, None)


def loaded_for(job: Job) -> Any:
    """What a job's chunks need, loaded once in this process."""
    identity = job.identity
    if identity not in _loaded:
        while len(_loaded) >= _LOADED_KEPT:
            _loaded.popitem(last=False)
        _loaded[identity] = job.load()
    _loaded.move_to_end(identity)
    return _loaded[identity]
