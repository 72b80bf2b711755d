"""What a cell of a table holds: a number, nothing, or the name of an image."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import PurePosixPath

__all__ = ["MISSING", "image_name", "is_missing", "number_or_nan", "plain_number"]

#: What people and programs write where there is no value, in lower case.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})

# The same few numbers fill most cells of a table, and a name often stands in rows that follow.
_KEPT = 1 << 12
_ENDS_AS_A_NAME = re.compile(r"\.[a-z]\w{1,4}$", re.IGNORECASE | re.ASCII).search
# What a path is written without: empty parts and parts that are a dot.
_ODD_PATH = re.compile(r"(?:^|/)\.?(?:/|$)").search
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)


@lru_cache(_KEPT)
def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.lower() in MISSING


@lru_cache(_KEPT)
def plain_number(text: str) -> bool:
    """Whether a cell is a number with, if any, a decimal point."""
    return _NUMBER.fullmatch(text) is not None


@lru_cache(_KEPT)
def number_or_nan(text: str) -> float:
    """The number in a cell; NaN for anything else, also for numbers beyond double precision."""
    value = float(text) if plain_number(text) else math.nan
    return value if math.isfinite(value) else math.nan


@lru_cache(_KEPT)
def image_name(text: str) -> str:
    """The image that a cell names: itself, or the one source of an `<img>` or JSON list in it.

    Experiment programs (jsPsych, Gorilla) store the stimulus as they showed it. A cell with several
    images, or with none, is given back as it is.
    """
    # A file's own name may hold what looks like markup: then it ends as names do.
    found = _sources(text) if "<" in text and not _ENDS_AS_A_NAME(text) else _listed(text)
    name = found[0] if len(found) == 1 else text
    odd = name and "://" not in name and _ODD_PATH(name)
    return PurePosixPath(name).as_posix() if odd else name


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(attrs).get("src") if tag == "img" else None
        if source:
            self.sources.append(source)


def _sources(text: str) -> list[str]:
    parser = _Images()
    try:
        parser.feed(text)
    except AssertionError:  # how it refuses a marked section that it does not know
        return []
    return parser.sources


def _listed(text: str) -> list[str]:
    if not (text.startswith('["') and text.endswith('"]')):
        return []
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [one for one in held if isinstance(one, str)]
