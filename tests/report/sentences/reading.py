"""Reads the report's sentences: a sentence that no pattern knows is a failure, as is a false one.

What a sentence says is taken out of it by a pattern that has to fit the whole of it, and compared
with the table by code of the test's own. `checks` says which functions a test is about and fails
where one of them was not reached.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections import Counter
from collections.abc import Callable

READ: Counter[str] = Counter()
CHECKED: dict[str, str] = {}
NUM = r"(?:−?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?|undefined)"
LIST = r"[a-z]\w*(?:, [a-z]\w*)*(?: and [a-z]\w*)?"


def value(text: str) -> float:
    """The number that a text says."""
    if text == "undefined":
        return math.nan
    return float(text.replace("−", "-").replace(",", ""))


def says(text: str, actual: float) -> None:
    """The number that is said is the actual one, to the digits that are said."""
    found = value(text)
    if math.isnan(found):
        assert not math.isfinite(actual), (text, actual)
        return
    digits = len(text.split("e")[0].partition(".")[2])
    assert abs(found - actual) <= 0.5 * 10**-digits + 1e-9, (text, actual)
    assert not (found == 0 and text.startswith("−")), text


def names(text: str) -> list[str]:
    """The names of a list in words."""
    return re.split(r", | and ", text)


def estimated(key: str) -> str:
    """Pattern of a value with its interval: groups `key`, `key_low`, `key_high`."""
    return (
        rf"(?P<{key}>{NUM}) \((?:95% interval (?P<{key}_low>{NUM}) to (?P<{key}_high>{NUM})"
        r"|no interval)\)"
    )


def says_estimate(found: re.Match[str], key: str, mean: float, low: float, high: float) -> None:
    """Value and interval are those of the table; without both ends there is no interval."""
    says(found[key], mean)
    if found[f"{key}_low"] is None:
        assert not (math.isfinite(low) and math.isfinite(high))
    else:
        says(found[f"{key}_low"], low)
        says(found[f"{key}_high"], high)


def same(a: float, b: float, digits: int = 2) -> bool:
    """Equal in the digits that are said."""
    return f"{a:.{digits}f}".replace("-0.00", "0.00") == f"{b:.{digits}f}".replace("-0.00", "0.00")


def read(text: str, patterns: dict[str, Callable[[re.Match[str]], None]]) -> str:
    """Find the one pattern that fits all of a sentence, and verify what it says; give it back."""
    fits = [(p, m) for p in patterns if (m := re.fullmatch(p, text, re.S))]
    assert len(fits) == 1, f"{len(fits)} patterns fit: {text}"
    READ["sentences"] += 1
    patterns[fits[0][0]](fits[0][1])
    return fits[0][0]


def table_read() -> None:
    """Count a table that was given."""
    READ["tables"] += 1


def checks(*functions: str):
    """Register what a test is about, and fail where a function of these was not reached."""

    def decorate(test):
        CHECKED.update(dict.fromkeys(functions, test.__name__))

        @functools.wraps(test)
        def watched(*args, **kwargs):
            reached: set[str] = set()
            prefix = "aisthesis.report."

            def note(frame, event, arg):
                module = frame.f_globals.get("__name__", "")
                if module.startswith(prefix):
                    reached.add(f"{module[len(prefix) :]}.{frame.f_code.co_qualname}")
                    if reached.issuperset(functions):  # from here on nothing is slowed down
                        sys.settrace(None)

            before = sys.gettrace()
            sys.settrace(note)
            try:
                test(*args, **kwargs)
            finally:
                sys.settrace(before)
            assert set(functions) <= reached, set(functions) - reached

        return watched

    return decorate
