"""Whether maps are right: true to the network, and where the evidence is known to be."""

from __future__ import annotations

from aisthesis.faithfulness.baselines import BASELINES
from aisthesis.faithfulness.cells import ORDERS, CellGrid
from aisthesis.faithfulness.channel_removal import (
    CHANNEL_ORDERS,
    channel_counts,
    channel_curves,
    channel_measures,
)
from aisthesis.faithfulness.differences import METHOD_DIFFERENCE_COLUMNS, method_differences
from aisthesis.faithfulness.imputation import impute_linearly
from aisthesis.faithfulness.infidelity import infidelity
from aisthesis.faithfulness.localisation import (
    CONTROLS,
    LOCALISATION_COLUMNS,
    RANDOM_WEIGHTS,
    bootstrap_mean,
    centre_prior,
    localisation_table,
)
from aisthesis.faithfulness.mask_scores import (
    LOCALISATION_SCORES,
    mass_inside,
    pixel_auc,
    pointing_game,
)
from aisthesis.faithfulness.masks import load_masks, mask_path, require_masks
from aisthesis.faithfulness.measures import FAITHFULNESS_MEASURES, FaithfulnessMeasure
from aisthesis.faithfulness.perturbation import curve_measures, perturbation_curves
from aisthesis.faithfulness.randomisation import (
    CASCADE_COLUMNS,
    cascade,
    cascade_similarity,
    layers_by_depth,
)
from aisthesis.faithfulness.sensitivity import max_sensitivity, sensitivity_table
from aisthesis.faithfulness.table import (
    FAITHFULNESS_COLUMNS,
    MAP_CONTROLS,
    MeasuredImages,
    channel_table,
    faithfulness_table,
    faithfulness_values,
    summarised,
    tidy_measure,
)

__all__ = [
    "BASELINES",
    "CASCADE_COLUMNS",
    "CHANNEL_ORDERS",
    "CONTROLS",
    "FAITHFULNESS_COLUMNS",
    "FAITHFULNESS_MEASURES",
    "LOCALISATION_COLUMNS",
    "LOCALISATION_SCORES",
    "MAP_CONTROLS",
    "METHOD_DIFFERENCE_COLUMNS",
    "ORDERS",
    "RANDOM_WEIGHTS",
    "CellGrid",
    "FaithfulnessMeasure",
    "MeasuredImages",
    "bootstrap_mean",
    "cascade",
    "cascade_similarity",
    "centre_prior",
    "channel_counts",
    "channel_curves",
    "channel_measures",
    "channel_table",
    "curve_measures",
    "faithfulness_table",
    "faithfulness_values",
    "impute_linearly",
    "infidelity",
    "layers_by_depth",
    "load_masks",
    "localisation_table",
    "mask_path",
    "mass_inside",
    "max_sensitivity",
    "method_differences",
    "perturbation_curves",
    "pixel_auc",
    "pointing_game",
    "require_masks",
    "sensitivity_table",
    "summarised",
    "tidy_measure",
]
