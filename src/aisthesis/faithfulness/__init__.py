"""Whether maps are right: found evidence whose place is known."""

from __future__ import annotations

from aisthesis.faithfulness.localisation import (
    CONTROLS,
    LOCALISATION_COLUMNS,
    LOCALISATION_SCORES,
    RANDOM_WEIGHTS,
    bootstrap_mean,
    centre_prior,
    localisation_table,
    mass_inside,
    pixel_auc,
    pointing_game,
)
from aisthesis.faithfulness.masks import load_masks, mask_path

__all__ = [
    "CONTROLS",
    "LOCALISATION_COLUMNS",
    "LOCALISATION_SCORES",
    "RANDOM_WEIGHTS",
    "bootstrap_mean",
    "centre_prior",
    "load_masks",
    "localisation_table",
    "mask_path",
    "mass_inside",
    "pixel_auc",
    "pointing_game",
]
