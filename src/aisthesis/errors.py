"""What goes wrong, said in one sentence: expected, got, remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["AisthesisError", "RequestError", "nearest", "or_list"]


class AisthesisError(Exception):
    """The work failed; the command line prints the message and exits with code 1."""

    exit_code = 1


class RequestError(AisthesisError, ValueError):
    """The request was wrong; the command line prints the message and exits with code 2."""

    exit_code = 2


def nearest(name: str, options: Iterable[str], n: int = 3) -> list[str]:
    """Up to `n` of `options` that are spelt most like `name`, best first."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(name.lower(), by_lower, n=n, cutoff=0.4)
    return [by_lower[lower] for lower in found]


def or_list(names: Iterable[str]) -> str:
    """Join names for a sentence: `a`, `a or b`, `a, b or c`."""
    items = list(names)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} or {items[-1]}"
