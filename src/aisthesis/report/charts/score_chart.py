"""Prediction quality of every network beside what the raters' reliability allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aisthesis.report.charts.dots import DotChart, Mark, dot_chart
from aisthesis.report.folder.selection import headline_scores
from aisthesis.report.words.pair_words import of

__all__ = ["score_chart"]

SERIES = {"mlp": "head", "ridge": "ridge regression"}


def score_chart(
    scores: pd.DataFrame, labels: list[str], ceiling: dict[str, Any] | None
) -> DotChart | None:
    """Lay out the correlation with the mean human rating, the noise ceiling as reference.

    Parameters
    ----------
    scores : pandas.DataFrame
        `scores.csv`.
    labels : list of str
        The backbones, in order.
    ceiling : dict or None
        The noise ceiling, as `provenance.json` holds it.

    Returns
    -------
    DotChart or None
        None where no correlation is defined.
    """
    if "plcc" not in scores.columns:
        return None
    by_head = {head: headline_scores(scores, head).to_dict("index") for head in SERIES}
    rows: list[tuple[str, list[Mark]]] = []
    for label in labels:
        found = {head: rows_of[label] for head, rows_of in by_head.items() if label in rows_of}
        marks = [
            Mark(head, of(row, "plcc"), of(row, "plcc_low"), of(row, "plcc_high"))
            for head, row in found.items()
            if np.isfinite(of(row, "plcc"))
        ]
        if marks:
            rows.append((label, marks))
    if not rows:
        return None
    limit = float(ceiling["correlation"]) if ceiling else float("nan")
    unit = "PLCC with the mean human rating"
    if ceiling:
        unit += f" (dashed: noise ceiling {limit:.2f})"
    return dot_chart("Correlation with people", unit, SERIES, rows, reference=limit)
