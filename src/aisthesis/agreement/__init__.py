"""How far the maps of different backbones agree, and how far that can be trusted."""

from __future__ import annotations

from aisthesis.agreement.baseline import activation_baseline
from aisthesis.agreement.chance import chance_level, cross_values
from aisthesis.agreement.clusters import cluster_backbones
from aisthesis.agreement.images import consensus, same_rating_other_evidence
from aisthesis.agreement.metrics import METRICS, ORIGINAL_METRICS, Metric, metric, metric_table
from aisthesis.agreement.pairs import agree, pair_values
from aisthesis.agreement.reliability import disattenuated, reliability
from aisthesis.agreement.seeds import seed_cosines, single_seed_cosines
from aisthesis.agreement.side import same_side
from aisthesis.agreement.stack import MapStack
from aisthesis.agreement.summary import summarise
from aisthesis.agreement.transport import spatial_emd
from aisthesis.agreement.variance import variance_components
from aisthesis.stats.bootstrap import mean_intervals

__all__ = [
    "METRICS",
    "ORIGINAL_METRICS",
    "MapStack",
    "Metric",
    "activation_baseline",
    "agree",
    "chance_level",
    "cluster_backbones",
    "consensus",
    "cross_values",
    "disattenuated",
    "mean_intervals",
    "metric",
    "metric_table",
    "pair_values",
    "reliability",
    "same_rating_other_evidence",
    "same_side",
    "seed_cosines",
    "single_seed_cosines",
    "spatial_emd",
    "summarise",
    "variance_components",
]
