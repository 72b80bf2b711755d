"""Axes with round ticks: from values to places in a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from aisthesis.report.words.wording import number

__all__ = ["Axis", "axis_over", "round_ticks", "tick_text"]


@dataclass(frozen=True)
class Axis:
    """A range of values, from `start` over `length` units of a drawing; a negative one goes up."""

    low: float
    high: float
    ticks: tuple[float, ...]
    start: float = 0.0
    length: float = 1.0

    def at(self, value: float) -> float:
        """Place of a value, kept on the axis."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + self.length * min(max(share, 0.0), 1.0)

    def placed(self, start: float, length: float) -> Axis:
        """The same range somewhere else."""
        return Axis(self.low, self.high, self.ticks, start, length)


def round_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, at most `most` steps."""
    width = (high - low) / most
    if not (math.isfinite(width) and width > 0):
        return ()
    power = 10.0 ** math.floor(math.log10(width))
    factor = next(f for f in (1, 2, 5, 10) if f * power >= width * (1 - 1e-9))
    step = factor * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return tuple(round(k * step, digits) + 0.0 for k in range(first, last + 1))


def axis_over(values: Iterable[float], *, margin: float = 0.0, most: int = 6) -> Axis:
    """An axis that holds every finite value, with a margin in parts of their span.

    Without a value it goes from 0 to 1; around a single one, from half a unit below to above.
    """
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    wider = margin * (high - low)
    low, high = low - wider, high + wider
    return Axis(low, high, round_ticks(low, high, most))


def tick_text(value: float, step: float = 1.0) -> str:
    """Label a tick with as many digits as it needs among ticks `step` apart."""
    near = 1e-6 * min(step, 1.0) or 1e-9
    digits = next((d for d in range(12) if abs(round(value, d) - value) < near), 12)
    return number(value, digits)
