"""Progress with the time left: bars on a terminal or in a notebook, lines in a log, or nowhere."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = [
    "Advance",
    "Prefixed",
    "ProgressReporter",
    "Silent",
    "Terminal",
    "in_units",
    "reporter_here",
]

Advance = Callable[[int], None]

#: Where there is no terminal, a line on what is under way is written so often, in seconds.
EVERY_S = 30.0


class ProgressReporter:
    """What a study tells while it works: silent unless a subclass speaks."""

    def say(self, message: str) -> None:
        """Tell one line."""

    def warn(self, message: str) -> None:
        """Tell one line that the reader must not miss."""

    def detail(self, message: str) -> None:
        """Tell one line to those alone who have asked for everything."""

    @contextmanager
    def steps(self, label: str, total: int) -> Iterator[Advance]:
        """Count `total` steps; the caller advances by so many at a time."""
        yield lambda n: None


Silent = ProgressReporter


def reporter_here() -> ProgressReporter:
    """Who tells progress where nobody was named: bars in a notebook, nobody elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return Terminal() if type(shell).__name__ == "ZMQInteractiveShell" else Silent()


class Prefixed(ProgressReporter):
    """Tells another what it is told, with a name before it."""

    def __init__(self, reporter: ProgressReporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def say(self, message: str) -> None:
        """Tell one line."""
        self._reporter.say(f"{self._name}: {message}")

    def warn(self, message: str) -> None:
        """Tell one line that the reader must not miss."""
        self._reporter.warn(f"{self._name}: {message}")

    def detail(self, message: str) -> None:
        """Tell one line to those alone who have asked for everything."""
        self._reporter.detail(f"{self._name}: {message}")

    @contextmanager
    def steps(self, label: str, total: int) -> Iterator[Advance]:
        """Count steps."""
        with self._reporter.steps(f"{self._name}: {label}", total) as advance:
            yield advance


class Terminal(ProgressReporter):
    """Bars and lines on standard error, so that standard output stays clean for data.

    Parameters
    ----------
    verbose : bool
        Whether details are told too.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self.verbose = verbose
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """Tell one line."""
        self.console.print(message, markup=False)

    def warn(self, message: str) -> None:
        """Tell one line in yellow."""
        self.console.print(f"warning: {message}", style="yellow", markup=False)

    def detail(self, message: str) -> None:
        """Tell one line where details are wanted."""
        if self.verbose:
            self.say(message)

    @contextmanager
    def steps(self, label: str, total: int) -> Iterator[Advance]:
        """Show a bar with the time left; where there is no terminal, a line every so often."""
        if not (self.console.is_terminal or self.console.is_jupyter):
            with _Lines(self, label, total).told() as advance:
                yield advance
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(label, total=total)
            yield lambda n: progress.advance(task, n)


class _Lines:
    """One stage in a log: a line every so often, whether or not steps are done, and at the end."""

    def __init__(self, reporter: ProgressReporter, label: str, total: int) -> None:
        self._reporter, self._label, self._total = reporter, label, total
        self._done = 0
        self._started = time.monotonic()

    @contextmanager
    def told(self) -> Iterator[Advance]:
        """Tell while the work in the block lasts."""
        over = threading.Event()
        teller = threading.Thread(target=self._tell, args=(over,), daemon=True)
        teller.start()
        try:
            yield self._advance
        finally:
            over.set()
            teller.join()
        self._reporter.say(f"{self._label}: {self._done} of {self._total} in {self._elapsed()}")

    def _advance(self, n: int) -> None:
        self._done += n

    def _tell(self, over: threading.Event) -> None:
        while not over.wait(EVERY_S):
            self._reporter.say(self._under_way())

    def _under_way(self) -> str:
        said = f"{self._label}: {self._done} of {self._total} after {self._elapsed()}"
        if 0 < self._done < self._total:
            left = (time.monotonic() - self._started) * (self._total / self._done - 1)
            said += f", about {_time(left)} left"
        return said

    def _elapsed(self) -> str:
        return _time(time.monotonic() - self._started)


def _time(seconds: float) -> str:
    """Say how long something took, or is left."""
    return f"{seconds:.0f} s" if seconds < 99.5 else _long_time(seconds)


def in_units(seconds: float) -> str:
    """Say how long something is expected to take, a second at the least."""
    return f"{max(1, math.ceil(seconds))} s" if seconds < 90 else _long_time(seconds)


def _long_time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
