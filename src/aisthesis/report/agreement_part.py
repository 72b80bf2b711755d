"""Everything that the page and the figures show of agreement, laid out from the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

from aisthesis.report.dendrogram import Tree, dendrograms
from aisthesis.report.distribution import Distribution, distributions
from aisthesis.report.matrices import Matrix, matrices
from aisthesis.report.metricnames import describe
from aisthesis.report.record import StudyRecord
from aisthesis.report.selection import map_kinds, metric_names
from aisthesis.report.tables import Value, pair_rows
from aisthesis.report.variance import Component, variance_parts
from aisthesis.report.wording import KIND_NAMES
from aisthesis.report.yardsticks import Yardsticks, yardsticks

__all__ = ["AgreementPart", "MatrixPanel", "agreement_part"]


@dataclass(frozen=True)
class MatrixPanel:
    """One metric on one kind of map: its views, and every pair as a table."""

    kind: str
    metric: str
    views: list[Matrix]
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
        One for each kind of map and metric that has them.
    variance : dict of str to list of Component
        By kind of map.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    panels: list[MatrixPanel] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)
    yardsticks: list[Yardsticks] = field(default_factory=list)
    variance: dict[str, list[Component]] = field(default_factory=dict)

    @property
    def disattenuated(self) -> bool:
        """Whether any pair has a disattenuated value."""
        return any(len(panel.views) > 1 for panel in self.panels)


def agreement_part(record: StudyRecord) -> AgreementPart:
    """Lay out the agreement section of a study; empty where nothing was compared."""
    table = record.agreement
    if table.empty:
        return AgreementPart(variance=variance_parts(record.variance))
    compared = set(table["backbone_a"]) | set(table["backbone_b"])
    labels = [label for label in record.backbones if label in compared]
    kinds, metrics = map_kinds(table), metric_names(table)
    found = matrices(table, record.reliability, metrics, labels)
    panels = [
        MatrixPanel(kind, metric, list(views), *pair_rows(table, kind, metric))
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
    return AgreementPart(
        {kind: KIND_NAMES.get(kind, kind) for kind in kinds},
        {metric: describe(metric).title for metric in metrics},
        panels,
        [tree for tree in dendrograms(record.clusters) if set(tree.leaves) <= set(labels)],
        distributions(table, record.agreement_images, kinds, metrics),
        [ruler for ruler in rulers if ruler is not None],
        variance_parts(record.variance),
    )
