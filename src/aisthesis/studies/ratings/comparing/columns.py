"""Columns of the agreement tables: people's scripts read them, so none is ever renamed."""

from __future__ import annotations

import pandas as pd

__all__ = ["TABLES", "in_columns"]

_OTHER_TABLES = {
    "methods": "backbone metric method_a method_b mean std median min max n n_undefined low high",
}

#: Every table of the stage (an attribute of `StudyFolder`) and its columns, in order.
TABLES = {
    name: tuple(columns.split())
    for name, columns in {
        "agreement_images": "image map metric backbone_a backbone_b value",
        "agreement": (
            "map metric backbone_a backbone_b mean std median min max n n_undefined low high "
            "same_side_share same_side_n same_side_mean same_side_low same_side_high "
            "chance chance_low chance_high p p_corrected chance_n "
            "chance_observed chance_strata compared_share "
            "reliability_a reliability_b single_seed "
            "disattenuated disattenuated_low disattenuated_high"
        ),
        "agreement_differences": (
            "map metric compared first second difference low high "
            "low_corrected high_corrected p_corrected n"
        ),
        "reliability": (
            "map metric backbone mean low high n n_seeds stepped_up opposite_seeds_share"
        ),
        "baselines": "map metric backbone mean low high n n_undefined",
        "variance": "map component share low high n",
        "clusters": "map metric step left right members distance support",
        "images": (
            "image map metric consensus controversy n_pairs rating prediction prediction_sd "
            "same_rating_other_evidence"
        ),
    }.items()
}


def in_columns(name: str, table: pd.DataFrame | None) -> pd.DataFrame:
    """Give the table its columns in order; no rows where there is none."""
    columns = list(TABLES[name] if name in TABLES else _OTHER_TABLES[name].split())
    return pd.DataFrame(columns=columns) if table is None else table.reindex(columns=columns)
