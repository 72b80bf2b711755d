"""What the report says about each metric of agreement."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aisthesis.agreement.metrics import METRICS
from aisthesis.report.words.wording import number

__all__ = ["MetricWords", "describe", "learn"]

#: What the record of the study that is reported says of the user's own metrics, by name.
_learnt: dict[str, Any] = {}


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
    blind_to, formula : str
        What two maps may differ in without the value telling, and the formula; may be empty.
    """

    title: str
    higher_is_alike: bool
    signed: bool
    note: str = ""
    blind_to: str = ""
    formula: str = ""

    @property
    def direction(self) -> str:
        """Say which way is alike."""
        return "higher is more alike" if self.higher_is_alike else "lower is more alike"


def describe(metric: str) -> MetricWords:
    """Describe a metric by its name in `agreement.csv`; an unknown one keeps its name."""
    known: Any = METRICS.get(metric) or _learnt.get(metric)
    if known is None:
        return MetricWords(metric.replace("_", " "), higher_is_alike=True, signed=True)
    return MetricWords(
        known.label,
        higher_is_alike=known.direction == "higher",
        signed=known.low < 0 < known.high,
        note=f"From {_bound(known.low)} to {_bound(known.high)}: {known.formula}.",
        blind_to=known.blind_to,
        formula=known.formula,
    )


def learn(facts: Any) -> None:
    """Know the user's own metrics by what a study's record says of them; no code is brought.

    Parameters
    ----------
    facts : mapping
        Attributes of `Metric` by the metric's name; what is none of these is passed over.
    """
    _learnt.clear()
    for name, about in facts.items() if isinstance(facts, dict) else ():
        try:
            _learnt[name] = SimpleNamespace(
                **{key: str(about[key]) for key in ("label", "direction", "formula", "blind_to")},
                **{
                    key: float(end if about[key] is None else about[key])
                    for key, end in (("low", "-inf"), ("high", "inf"))
                },
            )
        except (KeyError, TypeError, ValueError):
            continue


def _bound(value: float) -> str:
    """Say an end of a metric's range, whole where it is whole."""
    if value in (float("inf"), float("-inf")):
        return "minus infinity" if value < 0 else "infinity"
    return number(value, 0 if float(value).is_integer() else 2)
