"""Memory that runs out: said in one sentence, after smaller pieces were tried."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aisthesis.errors import AisthesisError

__all__ = [
    "LESS_AT_ONCE",
    "OutOfMemoryError",
    "give_memory_back",
    "in_halves",
    "is_out_of_memory",
    "plain_memory_errors",
]

T = TypeVar("T")

# PyTorch tells most of them by nothing but these words (CPU, CUDA, cuDNN, cuBLAS, C++).
_WORDS = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|bad_alloc"
    r"|_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"allocate ([\d.]+) ?(bytes|[KMGTPE]i?B)", re.IGNORECASE)
#: What helps where a plan is called by itself.
LESS_AT_ONCE = "lower `memory_bytes`, or give fewer images at once"
#: What helps where single images do not fit.
_LESS = (
    "lower `batch_size` (images are read ahead, three batches of them), `workers` or the "
    "backbone's `input_px`, or take a machine with more memory; what is finished stays"
)


class OutOfMemoryError(AisthesisError):
    """The memory of the machine, or of its GPU, was not enough.

    Attributes
    ----------
    asked : str
        How much more was asked for, in words; empty where nobody says.
    """

    def __init__(self, said: str, asked: str = "") -> None:
        super().__init__(said)
        self.asked = asked


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or PyTorch says that memory ran out."""
    if isinstance(error, MemoryError | OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(_WORDS.search(str(error)))


def give_memory_back() -> None:
    """Give freed memory back to the system, which the C library of Linux keeps otherwise.

    What one stage of a study has freed in small pieces would add to what the next one takes.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # other systems have none and need none
        return
    trim(0)


@contextmanager
def plain_memory_errors(doing: str, remedy: str = _LESS) -> Iterator[None]:
    """Turn memory that runs out into one sentence: what was tried, and what to lower.

    Raises
    ------
    OutOfMemoryError
        Instead of the system's own error; one that says so already goes on as it is.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        asked = _asked_for(error)
    else:
        return
    # Not inside the handler: the error would hold the frames with all their arrays.
    raise OutOfMemoryError(f"{doing}: memory ran out{asked}; {remedy}", asked)


def in_halves(n: int, work: Callable[[slice], T], doing: str) -> list[T]:
    """Work on n images at once; where memory runs out, on half as many, down to one.

    Parameters
    ----------
    n : int
        Images in a batch.
    work : callable
        Given which of them, as a slice; may be asked for the same ones again.
    doing : str
        What it does, for the message.

    Returns
    -------
    list
        What `work` gave for consecutive parts of the batch.

    Raises
    ------
    OutOfMemoryError
        If not even one image fits.
    """
    parts: list[T] = []
    first, size, tried, asked = 0, n, [n], ""
    while first < n:
        try:
            parts.append(work(slice(first, min(first + size, n))))
            first += size
            continue
        except (MemoryError, RuntimeError, OutOfMemoryError) as error:
            if not is_out_of_memory(error):
                raise
            asked = _asked_for(error)
        # Out of the handler, so that the arrays of the frames that failed are gone by now.
        if size == 1:
            images = ", ".join(map(str, tried))
            raise OutOfMemoryError(
                f"{doing}: memory ran out{asked} even for one image at a time (tried {images}); "
                f"{_LESS}",
                asked,
            )
        size //= 2
        tried.append(size)
        _let_go()
    return parts


def _asked_for(error: BaseException) -> str:
    """How much could not be had, where the error says so."""
    if isinstance(error, OutOfMemoryError):
        return error.asked
    found = _AMOUNT.search(str(error))
    if found is None:
        return ""
    if found[2].lower() != "bytes":
        return f" ({found[1]} {found[2]} more were asked for)"
    return f" ({float(found[1]) / 1e9:.3g} GB more were asked for)"


def _let_go() -> None:
    """Give what PyTorch keeps of a GPU's memory back, so that smaller pieces find room."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
