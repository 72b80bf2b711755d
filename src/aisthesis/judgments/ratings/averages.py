"""Means over raters, and each rater's own reliability where images were rated again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from aisthesis.judgments.ratings.entries import Entry, same_characters
from aisthesis.stats.correlation import pearson

__all__ = ["means_of", "retests_of", "single_means"]

_FEWEST_RETESTS = 3


def means_of(entries: Sequence[Entry]) -> pd.DataFrame:
    """A table of one rating an image: `image, rating, sd, n_raters`, the last two missing."""
    mean = pd.DataFrame(
        {
            "image": [entry.image for entry in entries],
            "rating": np.array([entry.rating for entry in entries], dtype=np.float64),
        }
    )
    mean["sd"] = np.nan
    mean["n_raters"] = pd.Series(pd.NA, index=mean.index, dtype="Int64")
    return mean


def single_means(entries: Sequence[Entry]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means over raters (`image, rating, sd, n_raters`), and single ratings.

    Ratings that a rater gave an image several times are one, their mean.
    """
    # Composed and decomposed spelling of a name are one image; the first spelling is kept.
    spelling: dict[str, str] = {}
    given: dict[tuple[str, str], list[float]] = {}
    for entry in entries:
        name = spelling.setdefault(same_characters(entry.image), entry.image)
        given.setdefault((name, entry.rater), []).append(entry.rating)
    # Exact sums: the order of the rows cannot change the last digit of a mean.
    values = [math.fsum(own) / len(own) for own in given.values()]
    single = pd.DataFrame(
        {
            "image": [name for name, _ in given],
            "rater": [rater for _, rater in given],
            "rating": np.array(values, dtype=np.float64),
        }
    )
    by_image: dict[str, list[float]] = {}
    for (name, _), value in zip(given, values, strict=True):
        by_image.setdefault(name, []).append(value)
    means = [math.fsum(own) / len(own) for own in by_image.values()]
    mean = pd.DataFrame({"image": list(by_image), "rating": np.array(means, dtype=np.float64)})
    mean["sd"] = [_sd(own) for own in by_image.values()]
    mean["n_raters"] = pd.array([len(own) for own in by_image.values()], dtype="Int64")
    return mean, single


def _sd(values: list[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def retests_of(entries: Sequence[Entry]) -> pd.DataFrame:
    """Images that a rater rated more than once, rater by rater.

    Returns
    -------
    DataFrame
        `rater`; `n_images`; `n_ratings` of these; `reliability`, the correlation of the first with
        the second rating over them, NaN below three images or without variation.
    """
    given: dict[str, dict[str, list[float]]] = {}
    for entry in entries:
        own = given.setdefault(entry.rater, {})
        own.setdefault(same_characters(entry.image), []).append(entry.rating)
    rows = []
    for rater, by_image in given.items():
        again = [values for values in by_image.values() if len(values) > 1]
        if again:
            pairs = np.array([values[:2] for values in again])
            n = sum(map(len, again))
            rows.append((rater, len(again), n, _correlation(pairs[:, 0], pairs[:, 1])))
    return pd.DataFrame(rows, columns=["rater", "n_images", "n_ratings", "reliability"])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(pearson(a, b)) if len(a) >= _FEWEST_RETESTS else math.nan
