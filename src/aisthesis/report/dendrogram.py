"""The backbones as a tree of who agrees with whom, laid out once for page and figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from aisthesis.report.metricnames import describe
from aisthesis.report.pair_words import Row, of
from aisthesis.report.wording import KIND_NAMES, and_list, capitalised, number, percent

__all__ = ["Join", "Tree", "dendrogram", "dendrograms"]


@dataclass(frozen=True)
class Join:
    """Two groups that become one.

    Attributes
    ----------
    members : list of str
        Everyone in the joined group.
    at : float
        Distance of the two groups.
    at_children, y_children : tuple of float
        Distances at which the two groups were joined themselves (0 for a single backbone), and
        their places from the top, in leaves.
    support : float
        Share of bootstrap samples that hold the group; NaN where not known.
    """

    members: list[str]
    at: float
    at_children: tuple[float, float]
    y_children: tuple[float, float]
    support: float

    @property
    def y(self) -> float:
        """Place of the joined group from the top, in leaves."""
        return sum(self.y_children) / 2


@dataclass(frozen=True)
class Tree:
    """A dendrogram with leaves at whole places from the top and distance to the right."""

    kind: str
    metric: str
    leaves: list[str]
    joins: list[Join]
    ticks: list[float]
    end: float

    def across(self, distance: float) -> float:
        """Place of a distance along the axis, in percent."""
        return round(100 * distance / self.end, 2)

    def down(self, leaf: float) -> float:
        """Place of a leaf, in percent from the top."""
        return round(100 * (leaf + 0.5) / len(self.leaves), 2)

    @property
    def unit(self) -> str:
        """What the distance is, in words."""
        about = describe(self.metric)
        return f"1 − {about.title}" if about.higher_is_alike else about.title

    @property
    def path(self) -> str:
        """All branches as an SVG path in a box of 100 × 100."""
        parts = []
        for join in self.joins:
            x = self.across(join.at)
            for at, y in zip(join.at_children, join.y_children, strict=True):
                parts.append(f"M{self.across(at)} {self.down(y)}H{x}")
            top, bottom = (self.down(y) for y in sorted(join.y_children))
            parts.append(f"M{x} {top}V{bottom}")
        return "".join(parts)

    @property
    def supports(self) -> list[tuple[float, float, str]]:
        """Place and words of every known support; the whole set is in every sample anyway."""
        return [
            (self.across(join.at), self.down(join.y), f"{100 * join.support:.0f}")
            for join in self.joins
            if np.isfinite(join.support) and len(join.members) < len(self.leaves)
        ]

    @property
    def words(self) -> str:
        """The tree for whoever does not see it."""
        said = []
        for join in self.joins:
            support = f", support {percent(join.support)}" if np.isfinite(join.support) else ""
            said.append(f"{and_list(join.members)} join at {number(join.at)}{support}")
        kind = capitalised(KIND_NAMES.get(self.kind, self.kind))
        return f"{kind} maps, {describe(self.metric).title}: {'; '.join(said)}."


def dendrogram(clusters: pd.DataFrame, kind: str, metric: str) -> Tree | None:
    """Lay out the merges of one kind of map and metric; None where they are no binary tree.

    Parameters
    ----------
    clusters : pandas.DataFrame
        `clusters.csv`, one row a merge; `members` of the joined group are separated by `|`.
    kind, metric : str
        Which of its trees.
    """
    rows = clusters[(clusters["map"] == kind) & (clusters["metric"] == metric)]
    rows = rows.dropna(subset=["members", "distance"])
    if "step" in rows.columns:
        rows = rows.sort_values("step", kind="stable")
    merges: list[tuple[Row, list[str]]] = [
        (row, str(row["members"]).split("|")) for row in rows.to_dict("records")
    ]
    if not merges:
        return None
    everyone = max((members for _, members in merges), key=len)
    made = _joined(merges, everyone)
    if made is None:
        return None
    leaves, children = made
    joins = _joins(merges, children, {name: k for k, name in enumerate(leaves)})
    longest = max(join.at for join in joins)
    end = longest * 1.12 if longest > 0 else 1.0
    ticks = [
        float(t) for t in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, end) if 0 <= t <= end
    ]
    return Tree(kind, metric, leaves, joins, ticks, end)


Group = frozenset[str]


def _joined(
    merges: list[tuple[Row, list[str]]], everyone: list[str]
) -> tuple[list[str], list[tuple[Group, Group]]] | None:
    """Find each merge's two parts among the groups made before it, and the leaves' order."""
    order: dict[Group, list[str]] = {frozenset((name,)): [name] for name in everyone}
    place = {name: k for k, name in enumerate(everyone)}
    children = []
    for _, members in merges:
        parts = [group for group in order if group <= set(members)]
        if len(parts) != 2 or parts[0] | parts[1] != set(members):
            return None
        one, other = sorted(parts, key=lambda part: min(place[name] for name in part))
        order[one | other] = order.pop(one) + order.pop(other)
        children.append((one, other))
    return (next(iter(order.values())), children) if len(order) == 1 else None


def _joins(
    merges: list[tuple[Row, list[str]]],
    children: list[tuple[Group, Group]],
    places: dict[str, int],
) -> list[Join]:
    place: dict[Group, float] = {frozenset((name,)): float(k) for name, k in places.items()}
    height = dict.fromkeys(place, 0.0)
    joins = []
    for (row, members), (one, other) in zip(merges, children, strict=True):
        join = Join(
            sorted(members, key=places.__getitem__),
            float(row["distance"]),
            (height[one], height[other]),
            (place[one], place[other]),
            of(row, "support"),
        )
        place[one | other], height[one | other] = join.y, join.at
        joins.append(join)
    return joins


def dendrograms(clusters: pd.DataFrame) -> list[Tree]:
    """Lay out every tree of `clusters.csv`."""
    keys = clusters[["map", "metric"]].drop_duplicates().itertuples(index=False, name=None)
    trees = [dendrogram(clusters, kind, metric) for kind, metric in keys]
    return [tree for tree in trees if tree is not None]
