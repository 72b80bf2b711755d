"""Where the variance of the maps lies: between images, backbones and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from aisthesis.agreement.variance import UNRESOLVED
from aisthesis.report.pair_words import of
from aisthesis.report.wording import KIND_NAMES, percent, span

__all__ = ["Component", "component_name", "variance_parts"]

_WORDS = {
    "shared": "one map for all images and networks",
    "image": "what all networks see in an image",
    "backbone": "what one network shows in every image",
    "image x backbone": "what one network alone sees in an image",
    "seed": "the seed of the training",
    UNRESOLVED: "network and seed, which one seed cannot tell apart",
}


@dataclass(frozen=True)
class Component:
    """One share of the variance; NaN where not known."""

    name: str
    share: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return self.low == self.low and self.high == self.high

    @staticmethod
    def percent(share: float) -> float:
        """Give the length of a bar; an estimate below zero has none."""
        return round(100 * min(max(share, 0.0), 1.0), 2)

    @property
    def words(self) -> str:
        """The component for whoever does not see it."""
        interval = span(100 * self.low, 100 * self.high, 0)
        return percent(self.share) + (f" ({interval})" if interval else "")


def component_name(component: str) -> str:
    """Say a component of `variance.csv` in words; an unknown one keeps its name."""
    return _WORDS.get(component, component.replace("_", " "))


def variance_parts(variance: pd.DataFrame) -> dict[str, list[Component]]:
    """Read `variance.csv`: the components by kind of map, in the table's order."""
    found: dict[str, list[Component]] = {}
    for row in variance.dropna(subset=["share"]).to_dict("records"):
        component = Component(
            component_name(str(row["component"])), of(row, "share"), of(row, "low"), of(row, "high")
        )
        found.setdefault(str(row["map"]), []).append(component)
    known = [kind for kind in KIND_NAMES if kind in found]
    return {kind: found[kind] for kind in [*known, *(k for k in found if k not in known)]}
