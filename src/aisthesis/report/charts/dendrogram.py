"""The backbones as a tree of who agrees with whom, laid out and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.charts.axis import Axis, round_ticks
from aisthesis.report.charts.drawing import SMALL, TEXT, WIDTH, Drawing
from aisthesis.report.charts.letters import shortened, text_width
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import Row, of
from aisthesis.report.words.wording import KIND_NAMES, and_list, capitalised, number, percent

__all__ = ["Join", "Tree", "dendrogram", "dendrograms", "draw_tree", "tree_table"]

_LEAF = 30.0  # units
_LABELS = 190.0  # units that names may take at most


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
    axis: Axis

    @property
    def unit(self) -> str:
        """What the distance is, in words."""
        about = describe(self.metric)
        return f"1 − {about.title}" if about.higher_is_alike else about.title

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
    return Tree(kind, metric, leaves, joins, Axis(0.0, end, round_ticks(0.0, end, 5)))


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


def draw_tree(tree: Tree) -> Drawing:
    """Draw a tree with its bootstrap support; the whole set is in every sample anyway."""
    kind = capitalised(KIND_NAMES.get(tree.kind, tree.kind))
    title = f"{kind} maps, {describe(tree.metric).title}"
    drawing = Drawing(WIDTH, tree.words, (title,))
    # A quarter more than the names take: on a phone letters are larger for their drawing.
    names = min(max(1.25 * text_width(leaf, TEXT) for leaf in tree.leaves), _LABELS)
    axis = tree.axis.placed(names + 8, WIDTH - names - 26)
    drawing.height = _LEAF * len(tree.leaves)
    drawing.grid(axis, 0, drawing.height)
    for k, leaf in enumerate(tree.leaves):
        said = shortened(leaf, names / 1.25, TEXT)
        drawing.text(names, _LEAF * (k + 0.5) + 4, said, "ink", anchor="end")
    for join in tree.joins:
        at, places = axis.at(join.at), [_LEAF * (y + 0.5) for y in join.y_children]
        ends = zip(join.at_children, places, strict=True)
        d = "".join(f"M{axis.at(start):.2f} {y:.2f}H{at:.2f}" for start, y in ends)
        drawing.path("branch", f"{d}M{at:.2f} {places[0]:.2f}V{places[1]:.2f}")
    for join in tree.joins:
        if np.isfinite(join.support) and len(join.members) < len(tree.leaves):
            said = f"{100 * join.support:.0f}%"
            x, y = axis.at(join.at) + 4, _LEAF * (join.y + 0.5)
            drawing.rect("ground", x - 1, y - 7, text_width(said, SMALL) + 2, 14)
            drawing.text(x, y + 4, said, size=SMALL)
    drawing.below(axis, f"distance ({tree.unit})")
    return drawing


def tree_table(trees: Sequence[Tree]) -> pd.DataFrame:
    """Give every merge of the trees."""
    return pd.DataFrame([
        {"map": tree.kind, "metric": tree.metric, "step": k, "members": "|".join(join.members),
         "distance": join.at, "support": join.support}
        for tree in trees
        for k, join in enumerate(tree.joins)
    ])  # fmt: skip
