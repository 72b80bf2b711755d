"""Who does a study's work on chunks: this process, some beside it, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aisthesis.config import CommonConfig
from aisthesis.execution.cores import cores
from aisthesis.execution.jobs import Executor, Serial
from aisthesis.execution.processes import Processes
from aisthesis.execution.progress import ProgressReporter

__all__ = ["executor_of"]


@contextmanager
def executor_of(config: CommonConfig, reporter: ProgressReporter) -> Iterator[Executor]:
    """Give who does the work on chunks, as a study's `engine` says."""
    if config.engine == "serial":
        yield Serial()
    elif config.engine == "processes":
        with Processes(config.workers or cores(), config.threads) as processes:
            yield processes
    else:
        from aisthesis.execution.cluster import dask_executor

        with dask_executor(
            config.dask, config.workers, config.threads, reporter, config.out
        ) as executor:
            yield executor
