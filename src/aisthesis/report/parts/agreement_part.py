"""Everything that the page and the figures show of agreement, laid out from the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import pandas as pd

from aisthesis.report.charts.dendrogram import Tree, dendrograms, draw_tree
from aisthesis.report.charts.distribution import Distribution, distributions, draw_distribution
from aisthesis.report.charts.drawing import Drawing
from aisthesis.report.charts.matrices import Matrix, matrices
from aisthesis.report.charts.matrix_drawing import draw_matrix
from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.folder.selection import map_kinds, metric_names
from aisthesis.report.parts.variance import Component, draw_variance, variance_parts
from aisthesis.report.parts.yardsticks import Yardsticks, yardsticks
from aisthesis.report.sentences.tables import Value, pair_rows
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.wording import KIND_NAMES

__all__ = ["AgreementPart", "MatrixPanel", "agreement_part"]


@dataclass(frozen=True)
class MatrixPanel:
    """One metric on one kind of map: its views, each drawn, and every pair as a table."""

    kind: str
    metric: str
    views: list[Matrix]
    drawings: list[Drawing]
    header: list[str]
    rows: list[list[Value]]


@dataclass(frozen=True)
class AgreementPart:
    """The agreement section.

    Attributes
    ----------
    kinds, metrics : dict of str to str
        What can be switched between, with the words for it.
    panels, trees, distributions, yardsticks
        One for each kind of map and metric that has them, with its drawing.
    variance, variance_drawings : dict of str to list of Component, and to Drawing
        By kind of map.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    panels: list[MatrixPanel] = field(default_factory=list)
    trees: list[tuple[Tree, Drawing]] = field(default_factory=list)
    distributions: list[tuple[Distribution, Drawing]] = field(default_factory=list)
    yardsticks: list[Yardsticks] = field(default_factory=list)
    variance: dict[str, list[Component]] = field(default_factory=dict)
    variance_drawings: dict[str, Drawing] = field(default_factory=dict)

    @property
    def disattenuated(self) -> bool:
        """Whether any pair has a disattenuated value."""
        return any(len(panel.views) > 1 for panel in self.panels)


def agreement_part(record: StudyRecord) -> AgreementPart:
    """Lay out the agreement section of a study; empty where nothing was compared."""
    table = record.agreement
    variance = variance_parts(record.variance)
    bars = {kind: draw_variance(kind, components) for kind, components in variance.items()}
    if table.empty:
        return AgreementPart(variance=variance, variance_drawings=bars)
    compared = set(table["backbone_a"]) | set(table["backbone_b"])
    labels = [label for label in record.backbones if label in compared]
    kinds, metrics = map_kinds(table), metric_names(table)
    found = matrices(table, record.reliability, metrics, labels)
    panels = [
        _panel(kind, metric, list(views), table)
        for (kind, metric), views in groupby(found, key=lambda m: (m.kind, m.metric))
    ]
    rulers = [
        yardsticks(
            table, record.agreement_images, record.reliability, record.baselines, kind, metric,
            labels,
        )
        for kind in kinds
        for metric in metrics
    ]  # fmt: skip
    trees = [tree for tree in dendrograms(record.clusters) if set(tree.leaves) <= set(labels)]
    return AgreementPart(
        {kind: KIND_NAMES.get(kind, kind) for kind in kinds},
        {metric: describe(metric).title for metric in metrics},
        panels,
        [(tree, draw_tree(tree)) for tree in trees],
        [
            (one, draw_distribution(one))
            for one in distributions(table, record.agreement_images, kinds, metrics)
        ],
        [ruler for ruler in rulers if ruler is not None],
        variance,
        bars,
    )


def _panel(kind: str, metric: str, views: list[Matrix], table: pd.DataFrame) -> MatrixPanel:
    drawings = [draw_matrix(view) for view in views]
    return MatrixPanel(kind, metric, views, drawings, *pair_rows(table, kind, metric))
