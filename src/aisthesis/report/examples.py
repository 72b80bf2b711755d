"""Which images are shown large, chosen by rule so that nobody picks the flattering ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.selection import DIVIDED

__all__ = ["HIGHEST_RATED", "Example", "choose_examples", "image_facts"]

HIGHEST_RATED = "highest human rating"


@dataclass(frozen=True)
class Example:
    """An image and the rule that chose it."""

    image: str
    why: str


def image_facts(
    images: Sequence[str], averaged: pd.DataFrame, consensus: pd.DataFrame
) -> pd.DataFrame:
    """Join ratings, errors and consensus of the explained images.

    Parameters
    ----------
    images : sequence of str
        The explained images.
    averaged : pandas.DataFrame
        One row per image and backbone, as `averaged_predictions` gives it.
    consensus : pandas.DataFrame
        By image, as `image_consensus` gives it for one kind of map; may be empty.

    Returns
    -------
    pandas.DataFrame
        One row for each of `images`, in their order: `rating`, `split`, `error` (mean over
        backbones of |prediction − rating|), `consensus` and `controversy` (mean and SD over pairs
        of the maps' agreement) and `same_rating_other_evidence` (0 to 1); NaN where unknown.
    """
    rows = averaged.assign(error=(averaged["prediction"] - averaged["rating"]).abs())
    grouped = rows.groupby("image", sort=False)
    table = grouped.agg(
        rating=("rating", "first"), split=("split", "first"), error=("error", "mean")
    )
    table = table.join(consensus, how="left").reindex(list(images))
    for column in ("rating", "error", "consensus", "controversy", DIVIDED):
        values = table[column] if column in table else pd.Series(np.nan, index=table.index)
        table[column] = pd.to_numeric(values, errors="coerce")
    return table


def _ranking(table: pd.DataFrame, column: str, *, ascending: bool) -> list[str]:
    known = table[column].dropna()
    order = known.sort_index().sort_values(ascending=ascending, kind="stable")
    return [str(name) for name in order.index]


def choose_examples(facts: pd.DataFrame, most: int = 6) -> list[Example]:
    """Choose images that spread over ratings, consensus and error.

    Parameters
    ----------
    facts : pandas.DataFrame
        What is known of the explained images, as `image_facts` gives it.
    most : int
        How many to choose.

    Returns
    -------
    list of Example
        At most `most`, each image once; a rule whose image is taken gives its next one.
    """
    by_rating = _ranking(facts, "rating", ascending=True)
    centre = (len(by_rating) - 1) / 2
    from_centre = sorted(range(len(by_rating)), key=lambda k: abs(k - centre))
    rules = [
        ("networks agree most (AIS maps)", _ranking(facts, "consensus", ascending=False)),
        ("networks agree least (AIS maps)", _ranking(facts, "consensus", ascending=True)),
        (HIGHEST_RATED, by_rating[::-1]),
        ("lowest human rating", by_rating),
        ("median human rating", [by_rating[k] for k in from_centre]),
        ("largest prediction error", _ranking(facts, "error", ascending=False)),
        ("first in the study", [str(name) for name in facts.index]),
    ]
    chosen: dict[str, str] = {}
    while len(chosen) < min(most, len(facts)):
        before = len(chosen)
        for why, ranking in rules:
            free = next((name for name in ranking if name not in chosen), None)
            fallback = why == "first in the study" and before != len(chosen)
            if free is not None and len(chosen) < most and not fallback:
                chosen[free] = why
    return [Example(name, why) for name, why in chosen.items()]
