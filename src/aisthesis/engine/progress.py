"""Progress with the time left, on the terminal or nowhere."""

from __future__ import annotations

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

__all__ = ["Advance", "Narrator", "Silent", "Terminal"]

Advance = Callable[[int], None]


class Narrator:
    """What a study tells while it works: silent unless a subclass speaks."""

    def say(self, message: str) -> None:
        """Tell one line."""

    def warn(self, message: str) -> None:
        """Tell one line that the reader must not miss."""

    @contextmanager
    def steps(self, label: str, total: int) -> Iterator[Advance]:
        """Count `total` steps; the caller advances by so many at a time."""
        yield lambda n: None


Silent = Narrator


class Terminal(Narrator):
    """Bars and lines on standard error, so that standard output stays clean for data."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """Tell one line."""
        self.console.print(message, markup=False)

    def warn(self, message: str) -> None:
        """Tell one line in yellow."""
        self.console.print(f"warning: {message}", style="yellow", markup=False)

    @contextmanager
    def steps(self, label: str, total: int) -> Iterator[Advance]:
        """Show a bar with the time left; where there is no terminal, one line at the end."""
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
