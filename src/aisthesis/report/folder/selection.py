"""The rows of the study's tables that the report is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.words.metricnames import describe
from aisthesis.store.tables import plain_names

__all__ = [
    "DIVIDED",
    "EVIDENCE",
    "MAIN_METRICS",
    "MOST_DOTS",
    "averaged_predictions",
    "consensus_metric",
    "evaluated_split",
    "headline_scores",
    "image_consensus",
    "in_order",
    "leading_kind",
    "map_kinds",
    "metric_names",
    "pair_matrix",
    "prediction_lookup",
    "spread_evenly",
]

#: Column of `images.csv`: how far the networks agree on the rating but not on the map, 0 to 1.
DIVIDED = "same_rating_other_evidence"
#: Kinds of maps as they are shown: by place first, which need no activation and no sign.
KIND_ORDER = ("evidence_place", "ais_place", "ais", "evidence")
#: Kinds whose sign says what raises the rating, the one that the page leads with first.
EVIDENCE = ("evidence_place", "evidence")
MAIN_METRICS = ("cosine", "ssim", "emd", "mse")
#: Images that a chart has dots of; of more, so many that are spread evenly over them.
MOST_DOTS = 2000
_SPLITS = ("test", "validation", "train")


def evaluated_split(scores: pd.DataFrame) -> str:
    """Name the split that scores are reported on: `test` wherever there is one."""
    found = set(scores["split"].dropna())
    return next((name for name in _SPLITS if name in found), "test")


def headline_scores(scores: pd.DataFrame, head: str = "mlp") -> pd.DataFrame:
    """Give one row per backbone: the averaged prediction's score on the evaluated split.

    A study without a row for the averaged prediction gives its first seed.
    """
    rows = scores[(scores["head"] == head) & (scores["split"] == evaluated_split(scores))]
    rows = rows.assign(_single=rows["seed"] != "mean")
    rows = rows.sort_values("_single", kind="stable").drop(columns="_single")
    first = rows.drop_duplicates("backbone", keep="first").set_index("backbone", drop=False)
    order = [label for label in dict.fromkeys(scores["backbone"]) if label in first.index]
    return first.loc[order].rename_axis(None)


def averaged_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Give one row per image and backbone: the prediction averaged over seeds.

    Columns `image, backbone, split, rating, prediction`. A split that differs between seeds
    (training and validation) is the one of the first seed.
    """
    # One backbone after the other: of many images all at once take several times the memory.
    of_each = predictions.groupby("backbone", sort=False, observed=True)
    parts = [_averaged(rows) for _, rows in of_each]
    table = pd.concat(parts).sort_index() if parts else _averaged(predictions)
    return table.reset_index(drop=True)


def _averaged(rows: pd.DataFrame) -> pd.DataFrame:
    """Average one backbone's predictions; each image stays where its first row was."""
    # Rows of the mean are there for unseen images only; the single seeds cover all of them.
    is_mean = rows["seed"] == "mean"
    rows = rows[is_mean | ~rows["image"].isin(rows["image"][is_mean])]
    by_image = rows.groupby("image", sort=False, observed=True)
    return rows.loc[~rows["image"].duplicated(), ["image", "backbone"]].assign(
        split=by_image["split"].first().array,
        rating=by_image["rating"].first().array,
        prediction=by_image["prediction"].mean().array,
    )


def prediction_lookup(averaged: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Give the averaged prediction by image and backbone."""
    rows = zip(averaged["image"], averaged["backbone"], averaged["prediction"], strict=True)
    return {(image, backbone): float(value) for image, backbone, value in rows}


def map_kinds(agreement: pd.DataFrame) -> list[str]:
    """Name the kinds of maps that were compared, those by place first."""
    return in_order(agreement["map"].dropna())


def in_order(kinds: Iterable[str]) -> list[str]:
    """Put kinds of maps, each once, in the order in which they are shown."""
    rank = {kind: k for k, kind in enumerate(KIND_ORDER)}
    return sorted(dict.fromkeys(kinds), key=lambda kind: rank.get(kind, len(rank)))


def leading_kind(kinds: Iterable[str]) -> str | None:
    """Name the kind that pictures and sentences lead with: evidence, by place where there is some.

    Without either, the first in the order in which kinds are shown; None of no kinds.
    """
    found = in_order(kinds)
    return next((kind for kind in EVIDENCE if kind in found), found[0] if found else None)


def metric_names(agreement: pd.DataFrame) -> list[str]:
    """Name the metrics that were computed, the four of the original description first."""
    found = list(dict.fromkeys(agreement["metric"].dropna()))
    rank = {name: k for k, name in enumerate(MAIN_METRICS)}
    return sorted(found, key=lambda name: rank.get(name, len(rank)))


def pair_matrix(
    agreement: pd.DataFrame, kind: str, metric: str, labels: Sequence[str], column: str = "mean"
) -> np.ndarray:
    """Lay the pairs out as a symmetric matrix with NaN on its diagonal: label × label."""
    position = {label: k for k, label in enumerate(labels)}
    matrix = np.full((len(labels), len(labels)), np.nan)
    if column not in agreement.columns:
        return matrix
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    for a, b, value in zip(rows["backbone_a"], rows["backbone_b"], rows[column], strict=True):
        if a in position and b in position and a != b:
            matrix[position[a], position[b]] = matrix[position[b], position[a]] = value
    return matrix


def consensus_metric(agreement: pd.DataFrame) -> str:
    """Name the metric that consensus is spoken of in: cosine, or else the first that fits.

    A metric fits if a higher value means more alike.
    """
    found = [m for m in metric_names(agreement) if describe(m).higher_is_alike]
    return "cosine" if "cosine" in found or not found else found[0]


def image_consensus(
    per_image: pd.DataFrame, images: pd.DataFrame, kind: str, metric: str = "cosine"
) -> pd.DataFrame:
    """Give each image's `consensus` (mean over pairs) and `controversy` (SD over pairs).

    Parameters
    ----------
    per_image, images : pandas.DataFrame
        `agreement_images.csv`, and `images.csv`, which is empty in studies of an older make:
        there both are computed from the former.
    kind, metric : str
        Which of its rows.

    Returns
    -------
    pandas.DataFrame
        The index is the image's name; images without a defined value are left out. With
        `images.csv` also how far they agree on the rating but not on the map.
    """
    told = images[(images["map"] == kind) & (images["metric"] == metric)]
    if len(told) and {"consensus", "controversy"} <= set(told.columns):
        table = told.drop_duplicates("image").set_index("image")
        table.index = plain_names(table.index)
        wanted = ["consensus", "controversy", "prediction_sd", DIVIDED]
        return table.reindex(columns=wanted).dropna(subset=["consensus"])
    rows = per_image[(per_image["map"] == kind) & (per_image["metric"] == metric)]
    values = rows.dropna(subset=["value"]).groupby("image", sort=False, observed=True)["value"]
    table = pd.DataFrame({"consensus": values.mean(), "controversy": values.std(ddof=0)})
    table.index = plain_names(table.index)
    return table


def spread_evenly(n: int, most: int = MOST_DOTS) -> NDArray[np.intp]:
    """Places of `most` out of n things, evenly over all; of all where there are no more."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
