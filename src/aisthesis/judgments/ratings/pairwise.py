"""Ratings from choices between two images: a Bradley-Terry scale with its errors.

The scale is fitted by choix (Maystre & Grossglauser 2015); errors, connectedness and the noise
ceiling are from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from aisthesis.errors import AisthesisError, RequestError
from aisthesis.judgments.ratings.noise_ceiling import NoiseCeiling, ceiling_of_halves

__all__ = ["Choice", "Scaled", "scaled"]

Array = NDArray[np.float64]

_SHOWN = 5
_MOST_SPLITS, _FEWEST_SPLITS = 50, 5
#: Images times splits that are scaled; each takes the cube of the images.
_SPLIT_IMAGES = 20_000
#: Log strengths closer to each other are found no better than that.
_EQUAL = 1e-6


@dataclass(frozen=True)
class Choice:
    """One choice between two images; `share` of it is the first's: 1 won, 0 lost, 1/2 a tie."""

    line: int
    first: str
    second: str
    share: float
    rater: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Scaled:
    """A Bradley-Terry scale.

    Attributes
    ----------
    mean
        `image`; `rating`, log odds, with mean 0: an image one above another wins in 73%; `sd`
        (missing: a scale has none); `n_raters` (missing); `se`, standard error of the rating;
        `n_choices`.
    noise_ceiling
        From halves of the raters, or of the choices where raters are not known.
    said
        What was done, in words.
    """

    mean: pd.DataFrame
    noise_ceiling: NoiseCeiling
    said: tuple[str, ...]


def scaled(choices: Sequence[Choice], source: str, *, seed: int = 0) -> Scaled:
    """Scale choices between images.

    Where an image, or a group of them, never lost to the others, or never won, its place is
    infinitely high or low; then every two images are taken to have won 1/N of a choice each
    against one another, and that is said.

    Raises
    ------
    RequestError
        If the images fall into groups that were never compared.
    """
    names = list(dict.fromkeys(name for one in choices for name in (one.first, one.second)))
    wins = _wins(choices, names)
    _require_connected(wins, names, source)
    strong = connected_components(wins, directed=True, connection="strong")[0] == 1
    prior = 0.0 if strong else 1.0 / len(names)
    wins_and_prior = wins + prior * ~np.eye(len(names), dtype=bool)
    rating = _bradley_terry(wins_and_prior)
    counts = wins + wins.T
    mean = pd.DataFrame({"image": names, "rating": rating, "sd": math.nan})
    mean["n_raters"] = pd.array([pd.NA] * len(names), dtype="Int64")
    mean["se"] = _errors(rating, wins_and_prior + wins_and_prior.T)
    mean["n_choices"] = counts.sum(1)
    pairs = int((np.triu(counts, 1) > 0).sum())
    total = sum(one.weight for one in choices)
    again = int((np.triu(counts, 1) > 1).sum())
    ties = sum(one.weight for one in choices if one.share == 0.5 and one.weight == 1)
    n = len(names)
    said = [
        f"{total:,.0f} choices between {pairs:,} of the {n * (n - 1) // 2:,} pairs of {n:,} images "
        f"({ties:,.0f} ties, half a win each; {again:,} pairs judged more than once, in either "
        "order), scaled by Bradley-Terry: ratings are log odds with mean 0, standard error "
        f"{mean['se'].median():.2g} (median), by which the scale's reliability is "
        f"{_reliability(mean):.2f}"
    ]
    if not strong:
        said.append(
            "some images only won or only lost against the others, so every two images are taken "
            "to have won 1/N of a choice each against one another"
        )
    return Scaled(mean, _ceiling(choices, names, prior, seed), tuple(said))


def _reliability(mean: pd.DataFrame) -> float:
    """Share of the ratings' variance that is not their errors'; NaN for equal ratings."""
    variance = float(mean["rating"].var())
    return 1 - float((mean["se"] ** 2).mean()) / variance if variance > 0 else math.nan


def _wins(choices: Sequence[Choice], names: Sequence[str]) -> Array:
    """How often each image (row) won against each other (column)."""
    place = {name: i for i, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for one in choices:
        i, j = place[one.first], place[one.second]
        wins[i, j] += one.weight * one.share
        wins[j, i] += one.weight * (1 - one.share)
    return wins


def _require_connected(wins: Array, names: Sequence[str], source: str) -> None:
    n, group = connected_components(wins + wins.T, directed=False)
    if n > 1:
        sizes = np.bincount(group)
        apart = [name for name, own in zip(names, group, strict=True) if own == sizes.argmin()]
        more = f" and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
        raise RequestError(
            f"{source}: expected choices that connect all images, but they fall into {n} groups "
            f"that were never compared with each other; one is {', '.join(apart[:_SHOWN])}{more}: "
            "add choices between the groups, or leave one out"
        )


def _bradley_terry(wins: Array) -> Array:
    """Log strengths with mean 0, of the highest likelihood."""
    import choix

    try:
        strengths = choix.ilsr_pairwise_dense(wins, max_iter=500)
    except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        raise AisthesisError(f"the choices cannot be scaled: {error}") from None
    return np.asarray(strengths - strengths.mean(), dtype=np.float64)


def _errors(rating: Array, counts: Array) -> Array:
    """Standard errors, from the information about differences; the mean of all is fixed."""
    p = expit(rating[:, None] - rating)
    weight = counts * p * (1 - p)
    information = np.diag(weight.sum(1)) - weight
    return np.asarray(np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True))))


def _ceiling(
    choices: Sequence[Choice], names: Sequence[str], prior: float, seed: int
) -> NoiseCeiling:
    """Scale random halves of the raters, or of the choices, and see how far they agree."""
    raters = sorted({one.rater for one in choices})
    by_rater = len(raters) > 1
    # Choices of one rater stay together, single ones are halved one by one.
    owner = np.array([raters.index(one.rater) for one in choices]) if by_rater else None
    n_units = len(raters) if by_rater else len(choices)
    rng = np.random.default_rng(seed)
    n_splits = int(np.clip(_SPLIT_IMAGES // len(names), _FEWEST_SPLITS, _MOST_SPLITS))
    halves = []
    for _ in range(n_splits):
        first = rng.permutation(n_units) < n_units // 2
        own = first if owner is None else first[owner]
        halves.append([_half(choices, own == side, names, prior) for side in (True, False)])
    return ceiling_of_halves(np.array(halves), n_raters=len(raters), seed=seed)


def _half(
    choices: Sequence[Choice], own: NDArray[np.bool_], names: Sequence[str], prior: float
) -> Array:
    """The scale from some of the choices; NaN where they do not connect all images."""
    wins = _wins([one for one, has in zip(choices, own, strict=True) if has], names)
    if connected_components(wins, directed=True, connection="strong")[0] > 1:
        # As for the whole: half of it may lack what connects all.
        prior = prior or 1.0 / len(names)
    if connected_components(wins + wins.T, directed=False)[0] > 1:
        return np.full(len(names), math.nan)
    try:
        rating = _bradley_terry(wins + prior * ~np.eye(len(names), dtype=bool))
    except AisthesisError:
        return np.full(len(names), math.nan)
    # Equal images differ by rounding alone: such a half must not correlate with anything.
    return rating if np.ptp(rating) > _EQUAL else np.zeros(len(names))
