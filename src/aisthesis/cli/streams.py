"""Standard output and error that are full or closed: words are lost, work is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from aisthesis.errors import AisthesisError

__all__ = ["ReaderGoneError", "UnprintedError", "careful_streams"]


class UnprintedError(AisthesisError):
    """A result could not be printed on standard output."""


class ReaderGoneError(Exception):
    """Whoever read standard output has enough of it (`| head`)."""


@contextmanager
def careful_streams() -> Iterator[None]:
    """Drop what standard error does not take; tell what standard output does not take.

    Within, writing to `sys.stderr` never fails, and writing to `sys.stdout` fails with
    `UnprintedError` or `ReaderGoneError` alone. Afterwards nothing waits to be written that would
    change the exit code of the interpreter.
    """
    _fill_closed()
    out, err = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - no path
        printed = _Printed(nowhere if _is_closed(out) else out, closed=_is_closed(out))
        sys.stdout, sys.stderr = printed, _Dropping(nowhere if _is_closed(err) else err)
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stdout, sys.stderr = out, err
            printed.let_go()


def _is_closed(stream: TextIO | None) -> bool:
    return stream is None or bool(getattr(stream, "closed", False))


class _Wrapped:
    """A stream that is another one but for what is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def write(self, text: str) -> int:
        raise NotImplementedError


class _Dropping(_Wrapped):
    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):  # full, or closed
            _discard(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            _discard(self._stream)


class _Printed(_Wrapped):
    def __init__(self, stream: TextIO, *, closed: bool) -> None:
        super().__init__(stream)
        self._closed = closed

    def write(self, text: str) -> int:
        with self._told():
            if self._closed:
                raise OSError("it is closed")
            return self._stream.write(text)

    def flush(self) -> None:
        with self._told():
            self._stream.flush()

    def let_go(self) -> None:
        """Drop what was not written and has been told already."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            _discard(self._stream)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise ReaderGoneError from None
        except UnicodeError:
            raise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UnprintedError(
                f"the result could not be printed on standard output ({why}); give the same "
                "command again with another one: what is done stays"
            ) from error


def _fill_closed() -> None:
    """Open the null device where the system's three streams are closed.

    Otherwise the next files to be opened would get their numbers, and what a library of C says to
    standard error would be written into a study.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _discard(stream: TextIO) -> None:
    """Let go of what a stream holds and cannot write; it is tried again with what comes next."""
    try:
        number = stream.fileno()
        kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError, AttributeError):
        return  # no file of the system: nothing waits in it
    try:
        os.dup2(nowhere, number)
        stream.flush()
    except (OSError, ValueError):
        pass
    finally:
        os.dup2(kept, number)
        os.close(kept)
        os.close(nowhere)
