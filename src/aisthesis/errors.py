"""What goes wrong, said in one sentence: expected, got, remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["AisthesisError", "RequestError", "nearest", "one_line", "or_list", "quoted"]

# No file name is longer; without spaces, what is longer is not for reading.
_LONGEST_WORD = 1000
_LONGEST_QUOTE = 60


class AisthesisError(Exception):
    """The work failed; the command line prints the message and exits with code 1.

    Examples
    --------
    >>> import aisthesis as ais
    >>> try:
    ...     ais.backbone("vgg1")
    ... except ais.AisthesisError as fault:
    ...     print(fault.exit_code)
    2
    """

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class RequestError(AisthesisError, ValueError):
    """The request was wrong; the command line prints the message and exits with code 2.

    Examples
    --------
    >>> import aisthesis as ais
    >>> ais.Transform(256, 224, interpolation="cubic")
    Traceback (most recent call last):
    aisthesis.errors.RequestError: ...
    """

    exit_code = 2


def one_line(text: str) -> str:
    """Give a text that any terminal can show as it is: one line, nothing that steers, all Unicode.

    Messages quote names and values out of files, which may hold anything. Line breaks become
    spaces; control characters, marks that turn the direction of writing, and halves of surrogate
    pairs become escapes; endless words are cut.
    """
    text = re.sub(r"\s*[\r\n]\s*", " ", text.strip())
    text = re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: f"{word[0][:200]}...", text)
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def quoted(text: str) -> str:
    """Quote a value out of a file for a message, cut where it is long."""
    cut = f"{text[:_LONGEST_QUOTE]}..." if len(text) > _LONGEST_QUOTE else text
    return repr(cut)


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
