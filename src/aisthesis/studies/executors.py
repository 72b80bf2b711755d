"""Who does the work on chunks: this process, some beside it, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator
from aisthesis.engine.jobs import Executor, Serial
from aisthesis.engine.processes import Processes, cores

__all__ = ["executor_of"]


@contextmanager
def executor_of(config: StudyConfig, narrator: Narrator) -> Iterator[Executor]:
    """Give who does the work on chunks: this process, some beside it, or a cluster."""
    if config.engine == "serial":
        yield Serial()
        return
    if config.engine == "processes":
        yield Processes(config.workers or cores(), config.threads)
        return
    from aisthesis.engine.cluster import dask_executor

    with dask_executor(
        config.dask, config.workers, config.threads, narrator, config.out
    ) as executor:
        yield executor
