"""What a stage of a study is, of either kind: its name, what it waits for, how it stands, its work.

A study's stages are declared in one list, which a run does in its order and `status` looks
through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aisthesis.execution.jobs import Executor
from aisthesis.execution.progress import ProgressReporter
from aisthesis.memory import give_memory_back, plain_memory_errors
from aisthesis.store.chunk_store import ChunkStore
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.ledger import Dependencies, State
from aisthesis.studies.shared.rows import Row

__all__ = [
    "Shared",
    "Stage",
    "Standing",
    "chunks_standing",
    "status_rows",
    "table_stage",
]

#: Among what workers share a stage's work out: images, or networks whole.
Shared = Literal["images", "backbones"]


@dataclass(frozen=True)
class Standing:
    """How far a piece of a stage is: `done` of `total` chunks, or the one that it is."""

    of: str
    state: State
    done: int
    total: int = 1

    @classmethod
    def whole(cls, of: str, state: State) -> Standing:
        """One that is done at once."""
        return cls(of, state, int(state.done))


@dataclass(frozen=True)
class Stage:
    """One stage of a study.

    Attributes
    ----------
    name : str
    command : str
        The command that does it, and all before it.
    standing : callable
        Gives how each entry stands; every file that it made is looked at.
    work : callable
        Does what is not done, with who does tasks.
    after : tuple of str
        Stages without which what it made is stale.
    shared : mapping
        What of its work, by the name that `provenance.json` gives the time, workers share, and
        among what; the rest is done in the process that runs the study.
    """

    name: str
    command: str
    standing: Callable[[], Iterable[Standing]]
    work: Callable[[Executor], None]
    after: tuple[str, ...] = ()
    shared: Mapping[str, Shared] = field(default_factory=dict)

    def do(self, executor: Executor) -> None:
        """Do what is not done.

        Raises
        ------
        OutOfMemoryError
            With the stage's name, if memory does not suffice.
        """
        with plain_memory_errors(self.name):
            self.work(executor)
        give_memory_back()


def table_stage(
    name: str,
    folder: StudyFolder,
    reporter: ProgressReporter,
    *,
    dependencies: Callable[[], Dependencies],
    files: Sequence[Path],
    work: Callable[[Executor], None],
    command: str = "agree",
    after: tuple[str, ...] = ("fit", "explain"),
    of: str = "all backbones",
    shared: Mapping[str, Shared] | None = None,
) -> Stage:
    """Give a stage that is one piece of the ledger: done for what it depends on, files intact.

    Parameters
    ----------
    dependencies : callable
        Gives what its files depend on.
    files : sequence of Path
        What it writes, folders with all that is in them.
    work : callable
        Writes them.
    """

    def do(executor: Executor) -> None:
        asked = dependencies()
        if folder.ledger.state(name, asked).done:
            reporter.say(f"{name}: already done")
            return
        started = time.perf_counter()
        work(executor)
        folder.ledger.enter(name, asked, _files(files))
        folder.record_stage(name, digest_of(dict(asked)), started)

    def standing() -> Iterator[Standing]:
        yield Standing.whole(of, folder.ledger.state(name, dependencies()))

    return Stage(name, command, standing, do, after, shared or {})


def _files(paths: Iterable[Path]) -> list[Path]:
    """The files that are there, those in folders too."""
    found = [[path] if path.is_file() else sorted(path.rglob("*")) for path in paths]
    return [path for each in found for path in each if path.is_file()]


def status_rows(stages: Iterable[Stage]) -> list[Row]:
    """Say how all pieces of all stages stand; what was made of something undone is stale."""
    rows: list[Row] = []
    for stage in stages:
        for one in stage.standing():
            state, done = one.state, one.done
            before = next((r for r in rows if r[0] in stage.after and r[2] != "done"), None)
            if state.done and before is not None:
                state, done = State("stale", f"{before[0]} of {before[1]} is {before[2]}"), 0
            rows.append((stage.name, one.of, state.kind, done, one.total, state.why))
    return rows


def chunks_standing(of: str, store: ChunkStore, n_images: int) -> Standing:
    """Count the finished chunks of a group of maps."""
    group = store.ledger.state(store.group, store.dependencies)
    total = len(store.numbers(n_images))
    if not group.done:
        return Standing(of, group, 0, total)
    missing = store.missing(n_images)
    if not missing:
        return Standing(of, group, total, total)
    first = store.state_of(missing[0])
    why = first.why if first.kind == "damaged" else f"{len(missing)} of {total} chunks are not done"
    return Standing(of, State(first.kind, why), total - len(missing), total)
