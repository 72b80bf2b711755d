"""Where the variance of the maps lies: between images, backbones and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from aisthesis.agreement.variance import UNRESOLVED
from aisthesis.report.charts.axis import axis_over
from aisthesis.report.charts.drawing import WIDTH, Drawing
from aisthesis.report.words.pair_words import of
from aisthesis.report.words.wording import KIND_NAMES, capitalised, percent, span

__all__ = ["Component", "component_name", "draw_variance", "variance_parts", "variance_table"]

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


def draw_variance(kind: str, components: Sequence[Component]) -> Drawing:
    """Draw the shares of the variance of one kind of map as bars; one below zero goes left."""
    title = f"{capitalised(KIND_NAMES.get(kind, kind))} maps"
    drawing = Drawing(WIDTH, f"{title}: shares of the variance", (title,))
    values = [v for c in components for v in (c.share, c.low, c.high)]
    axis = axis_over([0.0, *(100 * v for v in values)]).placed(8, WIDTH - 16)
    tall = 38.0
    drawing.grid(axis, 0, tall * len(components))
    for component in components:
        y, zero = drawing.height, axis.at(0.0)
        with drawing.group(f"{component.name}: {component.words}"):
            drawing.rect("hit", 0, y, WIDTH, tall)
            drawing.text(8, y + 13, component.name, "ink")
            drawing.text(WIDTH - 8, y + 13, component.words, anchor="end")
            drawing.rect("bar", zero, y + 18, axis.at(100 * component.share) - zero, 13)
            if component.has_interval:
                low, high = axis.at(100 * component.low), axis.at(100 * component.high)
                drawing.path("strong", f"M{low:.2f} {y + 24.5:g}H{high:.2f}")
        drawing.height += tall
    drawing.below(axis, "share of the variance of the maps (%)")
    return drawing


def variance_table(parts: Mapping[str, Sequence[Component]]) -> pd.DataFrame:
    """Give every share."""
    return pd.DataFrame([
        {"map": kind, "component": c.name, "share": c.share, "low": c.low, "high": c.high}
        for kind, components in parts.items()
        for c in components
    ])  # fmt: skip
