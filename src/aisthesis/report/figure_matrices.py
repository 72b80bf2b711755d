"""Figures of who agrees with whom: matrices and dendrograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from aisthesis.report.dendrogram import Tree
from aisthesis.report.figures import GRID, INK, POINT, QUIET, grid_of, quiet_frame
from aisthesis.report.matrices import Matrix, cell_colour
from aisthesis.report.metricnames import describe
from aisthesis.report.wording import KIND_NAMES, capitalised

__all__ = ["draw_matrices", "draw_trees", "matrix_table", "tree_table"]


def _colour_map(matrix: Matrix) -> LinearSegmentedColormap:
    scale = matrix.scale
    steps = np.linspace(scale.low, scale.high, 65)
    colours = [tuple(c / 255 for c in cell_colour(float(v), scale)) for v in steps]
    return LinearSegmentedColormap.from_list("cells", colours)


def _draw_matrix(figure: Figure, axes: Axes, matrix: Matrix) -> None:
    colours, norm = _colour_map(matrix), Normalize(matrix.scale.low, matrix.scale.high)
    axes.imshow(np.ma.masked_invalid(matrix.values), cmap=colours, norm=norm)
    for i, row in enumerate(matrix.rows):
        for j, cell in enumerate(row):
            if cell is not None:
                ink = cell.ink if cell.ink.startswith("#") else INK
                text = cell.text + ("°" if cell.doubtful else "")
                style = "italic" if cell.own else "normal"
                axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=8, style=style)
    places = range(len(matrix.labels))
    axes.set_xticks(places, matrix.labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, matrix.labels)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        label.set_parse_math(False)
    axes.tick_params(length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    view = "as measured" if matrix.view == "raw" else "freed of seed noise"
    axes.set_title(f"{view} ({matrix.words.direction})", fontsize=8, loc="left")
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, shrink=0.8, aspect=18)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, color=QUIET)
    bar.set_label(f"{matrix.words.title} (mean over images)", fontsize=7)


def draw_matrices(views: Sequence[Matrix]) -> Figure:
    """Draw one metric on one kind of map: as measured, and disattenuated where that is known."""
    side = 1.9 + 0.5 * len(views[0].labels)
    figure = Figure(figsize=(side * 1.25 * len(views), side), layout="constrained")
    grid = figure.subplots(1, len(views), squeeze=False)
    for axes, matrix in zip(grid.flat, views, strict=True):
        _draw_matrix(figure, axes, matrix)
    kind = capitalised(KIND_NAMES.get(views[0].kind, views[0].kind))
    notes = []
    if views[0].own_words:
        notes.append(f"diagonal: {views[0].own_words}")
    if any(matrix.doubtful for matrix in views):
        notes.append("° not shown to be better than chance (p ≥ 0.05, corrected)")
    title = f"{kind} maps, {views[0].words.title}"
    figure.suptitle("\n".join([title, *notes]), fontsize=9, x=0.01, ha="left")
    return figure


def matrix_table(views: Sequence[Matrix]) -> pd.DataFrame:
    """Give the cells of every view, the lower triangle and the diagonal."""
    rows = [
        {"map": m.kind, "metric": m.metric, "view": m.view, "backbone_a": a, "backbone_b": b,
         "value": m.own[i] if i == j else m.values[i, j],
         "low": m.low[i, j], "high": m.high[i, j]}
        for m in views
        for i, a in enumerate(m.labels)
        for j, b in enumerate(m.labels[: i + 1])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def draw_trees(trees: Sequence[Tree]) -> Figure:
    """Draw dendrograms, one panel a kind of map and metric, with their bootstrap support."""
    rows, columns = grid_of(len(trees), 2)
    height = 1.1 + 0.34 * max(len(tree.leaves) for tree in trees)
    figure = Figure(figsize=(4.6 * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(trees) :]:
        axes.set_axis_off()
    for axes, tree in zip(grid.flat, trees, strict=False):
        _draw_tree(axes, tree)
    return figure


def _draw_tree(axes: Axes, tree: Tree) -> None:
    for join in tree.joins:
        for at, y in zip(join.at_children, join.y_children, strict=True):
            axes.plot([at, join.at], [y, y], color=POINT, lw=1.3)
        axes.plot([join.at, join.at], list(join.y_children), color=POINT, lw=1.3)
        if np.isfinite(join.support) and len(join.members) < len(tree.leaves):
            axes.annotate(
                f"{100 * join.support:.0f}%", (join.at, join.y), (4, 0), va="center",
                textcoords="offset points", fontsize=7, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    axes.set_yticks(range(len(tree.leaves)), tree.leaves)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set(xlim=(0, tree.end), ylim=(len(tree.leaves) - 0.5, -0.5))
    axes.grid(axis="x", color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    quiet_frame(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    about = describe(tree.metric)
    axes.set_xlabel(f"distance ({tree.unit})", fontsize=8)
    kind = capitalised(KIND_NAMES.get(tree.kind, tree.kind))
    axes.set_title(f"{kind} maps, {about.title}", fontsize=9, loc="left")


def tree_table(trees: Sequence[Tree]) -> pd.DataFrame:
    """Give every merge of the trees."""
    return pd.DataFrame([
        {"map": tree.kind, "metric": tree.metric, "step": k, "members": "|".join(join.members),
         "distance": join.at, "support": join.support}
        for tree in trees
        for k, join in enumerate(tree.joins)
    ])  # fmt: skip
