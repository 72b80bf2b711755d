"""Sentences about a study's results, each said only if the numbers support it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aisthesis.report.folder.selection import map_kinds, metric_names
from aisthesis.report.sentences.observed_agreement import observe_level, observe_noise
from aisthesis.report.sentences.observed_pairs import (
    observe_emd,
    observe_mse_identity,
    observe_pairs,
)
from aisthesis.report.sentences.observed_prediction import (
    observe_ceiling,
    observe_prediction,
    observe_ridge,
)
from aisthesis.report.sentences.opposed_seeds import observe_opposed_seeds
from aisthesis.report.sentences.residual_side import observe_residual_side
from aisthesis.report.sentences.signed_copies import observe_signed_copies

__all__ = [
    "Answer",
    "Observations",
    "observe",
    "observe_ceiling",
    "observe_emd",
    "observe_mse_identity",
    "observe_pairs",
    "observe_prediction",
    "observe_ridge",
]


@dataclass(frozen=True)
class Answer:
    """One part of the answer: what it is about, and the sentences."""

    title: str
    text: str


@dataclass(frozen=True)
class Observations:
    """What the numbers say, by the part of the report that it belongs to.

    Attributes
    ----------
    headline : list of Answer
        The answer, a sentence or two a topic.
    prediction : list of str
        More on how well the ratings are predicted.
    agreement : dict of (str, str) to str
        Per kind of map and metric, which pairs stand out.
    metrics : list of str
        What the metrics cannot tell.
    """

    headline: list[Answer]
    prediction: list[str]
    agreement: dict[tuple[str, str], str]
    metrics: list[str]


def observe(
    scores: pd.DataFrame,
    agreement: pd.DataFrame,
    per_image: pd.DataFrame,
    ceiling: dict[str, Any] | None = None,
    reliability: pd.DataFrame | None = None,
    variance: pd.DataFrame | None = None,
    averaged: pd.DataFrame | None = None,
    more: Sequence[tuple[str, str | None]] = (),
    copies: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    prediction_differences: pd.DataFrame | None = None,
) -> Observations:
    """Draw every observation from the tables of a study.

    Parameters
    ----------
    scores, agreement, per_image : pandas.DataFrame
        `scores.csv`, `agreement.csv` and `agreement_images.csv`; the last two may be empty.
    ceiling : dict, optional
        The noise ceiling, as `provenance.json` holds it.
    reliability, variance : pandas.DataFrame, optional
        The tables of these names.
    averaged : pandas.DataFrame, optional
        Ratings and predictions, one row per image and backbone.
    more : sequence of (str, str or None)
        Further parts of the answer, with their titles.
    copies : pandas.DataFrame, optional
        On how many images AIS and evidence maps are the same, as `signed_copies` gives it.
    differences, prediction_differences : pandas.DataFrame, optional
        `agreement_differences.csv` and `prediction_differences.csv`.

    Returns
    -------
    Observations
        Sentences as plain text; a topic on which the numbers say nothing has none.
    """
    identity = observe_mse_identity(agreement, per_image)
    noise = (
        None
        if reliability is None or variance is None
        else observe_noise(agreement, reliability, variance)
    )
    predicted = [
        observe_prediction(scores, prediction_differences),
        observe_ceiling(scores, ceiling),
    ]
    side = [
        None if copies is None else observe_signed_copies(copies),
        None if averaged is None else observe_residual_side(per_image, averaged),
        None if reliability is None else observe_opposed_seeds(reliability, agreement),
    ]
    topics = [
        ("How well they predict", " ".join(text for text in predicted if text)),
        ("How far their maps agree", observe_level(agreement, per_image)),
        ("How much is noise", noise),
        ("Side or place", " ".join(text for text in side if text)),
        *more,
    ]
    kinds, metrics = map_kinds(agreement), metric_names(agreement)
    pairs = {
        (kind, metric): said
        for kind in kinds
        for metric in metrics
        if (said := observe_pairs(agreement, kind, metric, differences)) is not None
    }
    return Observations(
        headline=[Answer(title, text) for title, text in topics if text],
        prediction=[text for text in [observe_ridge(scores, prediction_differences)] if text],
        agreement=pairs,
        metrics=[text for text in (identity, observe_emd(agreement)) if text],
    )
