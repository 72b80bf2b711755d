"""What the report says about each metric of agreement."""

from __future__ import annotations

from dataclasses import dataclass

from aisthesis.agreement.metrics import METRICS
from aisthesis.report.wording import number

__all__ = ["MetricWords", "describe"]


@dataclass(frozen=True)
class MetricWords:
    """A metric in words.

    Attributes
    ----------
    title : str
        Its name as a reader knows it.
    higher_is_alike : bool
        Whether a higher value means that two maps are more alike.
    signed : bool
        Whether zero is the middle of the range: no agreement either way.
    note : str
        Range and formula.
    blind_to : str
        What two maps may differ in without the value telling; may be empty.
    """

    title: str
    higher_is_alike: bool
    signed: bool
    note: str = ""
    blind_to: str = ""

    @property
    def direction(self) -> str:
        """Say which way is alike."""
        return "higher is more alike" if self.higher_is_alike else "lower is more alike"


def describe(metric: str) -> MetricWords:
    """Describe a metric by its name in `agreement.csv`; an unknown one keeps its name."""
    known = METRICS.get(metric)
    if known is None:
        return MetricWords(metric.replace("_", " "), higher_is_alike=True, signed=True)
    return MetricWords(
        known.label,
        higher_is_alike=known.direction == "higher",
        signed=known.low < 0 < known.high,
        note=f"From {_bound(known.low)} to {_bound(known.high)}: {known.formula}.",
        blind_to=known.blind_to,
    )


def _bound(value: float) -> str:
    """Say an end of a metric's range, whole where it is whole."""
    return number(value, 0 if float(value).is_integer() else 2)
