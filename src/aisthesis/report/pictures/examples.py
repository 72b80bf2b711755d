"""Which images are shown large, chosen by rule so that nobody picks the flattering ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.report.folder.selection import DIVIDED
from aisthesis.report.words.wording import KIND_NAMES

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
    for column in ("rating", "error", "consensus", "controversy", "prediction_sd", DIVIDED):
        values = table[column] if column in table else pd.Series(np.nan, index=table.index)
        table[column] = pd.to_numeric(values, errors="coerce")
    return table


def _ranking(table: pd.DataFrame, column: str, *, ascending: bool) -> list[str]:
    known = table[column].dropna()
    if known.nunique() < 2:  # neither first nor last
        return []
    order = known.sort_index().sort_values(ascending=ascending, kind="stable")
    return [str(name) for name in order.index]


def choose_examples(facts: pd.DataFrame, most: int = 6, kind: str = "ais") -> list[Example]:
    """Choose images that spread over ratings, consensus and error.

    Parameters
    ----------
    facts : pandas.DataFrame
        What is known of the images to choose among, as `image_facts` gives it.
    most : int
        How many to choose.
    kind : str
        The kind of map whose agreement the facts hold.

    Returns
    -------
    list of Example
        At most `most`, each image once. Each rule gives its first image, which may be that of
        another rule too; the places that are left go to the rules' next images, and say so. A
        rule about a value that is the same for all images gives none.
    """
    rankings = _rankings(facts, KIND_NAMES[kind])
    reasons: dict[str, list[str]] = {}
    for why, ranking in rankings.items():
        if ranking and (ranking[0] in reasons or len(reasons) < most):
            reasons.setdefault(ranking[0], []).append(why)
    chosen = {name: "; ".join(why) for name, why in reasons.items()}
    free = {why: [n for n in names if n not in chosen] for why, names in rankings.items()}
    free["in the order of the study"] = [str(n) for n in facts.index if n not in chosen]
    for why, names in free.items():
        for name in names:
            if name in chosen:
                continue
            if len(chosen) >= min(most, len(facts)):
                break
            chosen[name] = why if why == "in the order of the study" else f"next: {why}"
            if why != "in the order of the study":
                break
    return [Example(name, why) for name, why in chosen.items()]


def _rankings(facts: pd.DataFrame, maps: str) -> dict[str, list[str]]:
    """Images by each rule, first the one that it is about."""
    by_rating = _ranking(facts, "rating", ascending=True)
    middle = _ranking(
        facts.assign(_away=(facts["rating"] - facts["rating"].median()).abs()),
        "_away",
        ascending=True,
    )
    return {
        f"networks agree most ({maps} maps)": _ranking(facts, "consensus", ascending=False),
        f"networks agree least ({maps} maps)": _ranking(facts, "consensus", ascending=True),
        HIGHEST_RATED: _ranking(facts, "rating", ascending=False),
        "lowest human rating": by_rating,
        "nearest the median human rating": middle,
        "largest prediction error": _ranking(facts, "error", ascending=False),
    }
