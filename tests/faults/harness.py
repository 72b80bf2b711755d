"""Kinds of hostile input, and how one is tried: no hang, no traceback, nothing written outside."""

from __future__ import annotations

import faulthandler
import hashlib
import os
import signal
import stat
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

import aisthesis.studies.ratings.study  # noqa: F401 - loaded before any clock runs
from aisthesis import Alignment, Study
from aisthesis.errors import AisthesisError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import ImageFolder

SECONDS = 10
LONGEST_MESSAGE = 4000


def write_judgments(images: Path, table: Path, n: int = 8) -> Path:
    """Write how unlike some images are, at random, as a matrix with names."""
    names = list(ImageFolder(images).names)[:n]
    judged = np.random.default_rng(0).random((n, n))
    judged += judged.T
    np.fill_diagonal(judged, 0)
    pd.DataFrame(judged, index=names, columns=names).to_csv(table)
    return table


def opened(place: Path, reporter: ProgressReporter | None = None) -> Study | Alignment:
    """The study of either kind that a study file or a study's folder names."""
    file = place / "study.toml" if place.is_dir() else place
    keys = tomllib.loads(file.read_text(encoding="utf-8"))
    kind = Alignment if "judgments" in keys else Study
    return kind.from_toml(file, reporter=reporter)


def go_on(place: Path, reporter: ProgressReporter | None = None) -> None:
    """Run a study of either kind up to its report."""
    study = opened(place, reporter)
    study.run(until="agree") if isinstance(study, Study) else study.run()


@dataclass(frozen=True)
class Kind:
    """One kind of hostile input.

    `write` puts the inputs into an empty folder and lists them; `read` is the library's own way
    in, checks what it accepts and returns it.
    """

    name: str
    n: int
    outcome: str
    write: Callable[[Path], list[Any]]
    read: Callable[[Any], Any]
    expected: Literal["either", "refused", "accepted"] = "either"


class TooSlow(BaseException):
    """Not an Exception, so that nothing in the library can swallow it."""


@contextmanager
def watchdog(seconds: float = SECONDS) -> Iterator[None]:
    """Raise `TooSlow` after some seconds; kill the process if even that does not stop it."""

    def ring(*_: object) -> None:
        raise TooSlow(f"still at it after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(6 * seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(read: Callable[[Any], Any], case: Any) -> tuple[str, bool]:
    """Try one input; say what went wrong, if anything, and whether the input was refused."""
    try:
        with watchdog():
            read(case)
    except AisthesisError as error:
        return unclear(str(error)), True
    except (Exception, TooSlow) as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(error).__name__}: {error}"[:500], False
    return "", False


def unclear(message: str) -> str:
    """Say why a message is not one readable line that any terminal can show; empty if it is."""
    if not message.strip():
        return "an empty message says nothing"
    if not message.isprintable():
        return f"not one printable line: {message!r}"[:500]
    if "Traceback" in message:
        return f"holds a traceback: {message[:200]}"
    if len(message) > LONGEST_MESSAGE:
        return f"{len(message)} characters: {message[:200]}"
    return ""


def listing(root: Path) -> dict[str, tuple[Any, ...]]:
    """Every entry under a folder with its kind, size and content; links are not followed."""
    found: dict[str, tuple[Any, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118 - names may be no text
            status = os.lstat(path)
            content = ""
            if stat.S_ISREG(status.st_mode) and status.st_size < 1 << 20:
                with open(path, "rb") as file:  # noqa: PTH123
                    content = hashlib.sha256(file.read()).hexdigest()
            found[path] = (stat.S_IFMT(status.st_mode), status.st_size, content)
    return found


def flipped(data: bytes, rng: Any, n: int) -> bytes:
    """Flip `n` random bits."""
    changed = bytearray(data)
    for place in rng.integers(0, len(data), n):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def mangled(data: bytes, rng: Any) -> bytes:
    """Do one random harm: flip, cut, double, drop or overwrite a stretch of bytes."""
    a, b = sorted(int(v) for v in rng.integers(0, len(data) + 1, 2))
    return (
        flipped(data, rng, 1 + int(rng.integers(8))),
        data[:a],
        data[:a] + data[a:b] * 2 + data[b:],
        data[:a] + data[b:],
        data[:a] + rng.bytes(min(b - a, 64)) + data[a + min(b - a, 64) :],
    )[int(rng.integers(5))]
