"""How the report says numbers, intervals and lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from aisthesis.names.explainer_table import EXPLAINER_TABLE

__all__ = [
    "FEWEST_FOR_CORRELATION",
    "FEW_IMAGES",
    "KIND_NAMES",
    "and_list",
    "as_number",
    "capitalised",
    "ceiling_interval",
    "count",
    "count_word",
    "estimate",
    "name_of",
    "number",
    "number_or_dash",
    "p_value",
    "percent",
    "rating_text",
    "same_number",
    "scientific",
    "size",
    "span",
]

#: Below it a mean over images and its bootstrap interval say little, and nothing is compared.
FEW_IMAGES = 5
#: Below it a correlation over images says next to nothing.
FEWEST_FOR_CORRELATION = 10

#: From so many digits after or before the point on, rating units are said by powers of ten.
_MOST_DIGITS, _LONGEST = 6, 1e9

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
KIND_NAMES = {
    **{one.name: one.said for one in EXPLAINER_TABLE.values()},
    "activation": "mean activation",
}


def name_of(method: str) -> str:
    """A method's, map's or control's name inside a sentence."""
    return KIND_NAMES.get(method, method.replace("_", " "))


def capitalised(text: str) -> str:
    """Begin a sentence with `text`, the rest of it as it is."""
    return text[:1].upper() + text[1:]


def as_number(value: Any) -> float:
    """Take a number out of JSON, where undefined is null."""
    return math.nan if value is None else float(value)


def ceiling_interval(ceiling: dict[str, Any]) -> tuple[float, float]:
    """Take the reliability's interval out of a noise ceiling, under either of its names."""
    low, high = (ceiling.get(f"reliability_{end}", ceiling.get(end)) for end in ("low", "high"))
    return as_number(low), as_number(high)


def number(value: float, digits: int = 2) -> str:
    """Say a number with a real minus sign and no negative zero; NaN is said as `undefined`."""
    if not math.isfinite(value):
        return "undefined"
    text = f"{abs(value):.{digits}f}"
    negative = value < 0 and float(text) != 0
    return f"{MINUS}{text}" if negative else text


def scientific(value: float, digits: int = 1) -> str:
    """Say a number by its power of ten: `4.3 × 10⁻⁵`, with `digits` after the point."""
    mantissa, exponent = f"{abs(value):.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{MINUS if value < 0 else ''}{mantissa} × 10{raised}"


def rating_text(value: float, spread: float, digits: int = 1) -> str:
    """Say a number in rating units, to a tenth or so of how far ratings differ.

    Parameters
    ----------
    value : float
    spread : float
        SD of the ratings, or what else must be told apart; where it is unknown, or zero but for
        rounding, `digits` are said.
    digits : int
        Least number of digits after the point.
    """
    if not (math.isfinite(value) and math.isfinite(spread) and spread > 1e-12 * abs(value)):
        return number(value, digits)
    finest = math.floor(math.log10(2 * spread)) - 1  # power of ten of the last digit
    if finest >= -_MOST_DIGITS and max(abs(value), spread) < _LONGEST:
        return number(value, max(digits, -finest))
    if value == 0:
        return "0"
    return scientific(value, min(max(math.floor(math.log10(abs(value))) - finest, 1), 15))


def same_number(a: float, b: float, digits: int = 2) -> bool:
    """Tell whether two numbers are said with the same digits: then neither is called higher."""
    return number(a, digits) == number(b, digits)


def size(value: float, digits: int = 2) -> str:
    """Say how large a difference is, without its sign; one that rounds to zero is `less than`."""
    if math.isfinite(value) and value != 0 and same_number(value, 0.0, digits):
        return f"less than {10**-digits:.{digits}f}"
    return number(abs(value), digits)


def number_or_dash(value: float, digits: int = 2) -> str:
    """Say a number for a table's cell, where undefined is a dash."""
    return number(value, digits) if math.isfinite(value) else DASH


def p_value(p: float) -> str:
    """Say a p value with its relation: `= 0.012`, `< 0.001`; never rounded across 0.05."""
    if not math.isfinite(p):
        return "undefined"
    if p < 0.001:
        return "< 0.001"
    digits = next((d for d in (3, 4, 5, 6) if (float(f"{p:.{d}f}") < 0.05) == (p < 0.05)), 9)
    return f"= {number(p, digits)}"


def span(low: float, high: float, digits: int = 2) -> str:
    """Say an interval: `0.12 to 0.34`, or nothing if it is not known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, digits)} to {number(high, digits)}"


def estimate(value: float, low: float, high: float, digits: int = 2) -> str:
    """Say a value with its 95% interval where there is one."""
    interval = span(low, high, digits)
    said = number(value, digits)
    return f"{said} (95% interval {interval})" if interval else f"{said} (no interval)"


def percent(share: float) -> str:
    """Say a share between 0 and 1 as a percentage."""
    return f"{number(100 * share, 0)}%" if math.isfinite(share) else "an undefined share"


def count(n: int, one: str, many: str | None = None) -> str:
    """Say a number of things: `1 image`, `1,200 images`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def count_word(n: int) -> str:
    """Begin a sentence with a number: a word up to ten, figures from there on."""
    words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"]
    return words[n] if 0 <= n < len(words) else f"{n:,}"


def and_list(items: Sequence[str], most: int = 8) -> str:
    """Join for a sentence; of more than `most` items the rest is counted."""
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"{len(items) - most} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
