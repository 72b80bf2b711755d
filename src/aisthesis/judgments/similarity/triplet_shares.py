"""How many choices among three images similarities predict, and how many anything could."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.judgments.files.matrix import Triplet

__all__ = ["Choices", "TripletCeiling", "choices_among", "triplet_ceiling"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Sharpness of choices, in units of one over the similarity: what is searched.
_SHARPNESS = (1e-3, 1e4)


@dataclass(frozen=True, eq=False)
class Choices:
    """Choices of one pair over one or two others, by the numbers of the images.

    Attributes
    ----------
    one, other : (T, 3)
        Images of the pairs: the chosen one first; -1 where there is no third pair.
    weight : (T,)
        How many chose so.
    n_left_out : float
        Choices that name other images.
    """

    one: Index
    other: Index
    weight: Array
    n_left_out: float = 0.0

    def values(self, similarity: Array) -> Array:
        """Similarities (T, 3) of the pairs of each choice; -inf where there is no third."""
        found = similarity[self.one, self.other]
        found[self.one < 0] = -np.inf
        return found

    def predicted(self, values: Array) -> Array:
        """Share (T,) of each choice that is predicted: ties with the chosen pair are shared.

        Parameters
        ----------
        values : (T, 3)
            As `values` gives them. NaN where one is.
        """
        best = values == values.max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = best[:, 0] / best.sum(axis=1)
        return np.where(np.isnan(values).any(axis=1), np.nan, found)

    def mean(self, each: Array) -> float:
        """Weighted mean over the choices for which it is defined."""
        known = np.isfinite(each)
        total = float(self.weight[known].sum())
        return float(self.weight[known] @ each[known]) / total if total else math.nan

    def share(self, similarity: Array) -> float:
        """Share of the choices that similarities (N, N) predict."""
        return self.mean(self.predicted(self.values(similarity)))

    def interval(self, each: Array) -> tuple[float, float]:
        """95% interval of a mean over choices, taken as independent; NaN for fewer than two."""
        known = np.isfinite(each)
        n = float(self.weight[known].sum())
        if n < 2:
            return math.nan, math.nan
        mean = self.mean(each)
        variance = float(self.weight[known] @ (each[known] - mean) ** 2) / (n - 1)
        reach = 1.959964 * math.sqrt(variance / n)
        return max(0.0, mean - reach), min(1.0, mean + reach)

    @property
    def chance(self) -> float:
        """Share that similarities would predict which say nothing."""
        return self.mean(np.where(self.one[:, 2] < 0, 1 / 2, 1 / 3))

    def log_likelihood(self, values: Array, sharpness: float) -> Array:
        """Log (T,) of the chosen pair's share of exp(sharpness * similarity), in nats."""
        scaled = sharpness * (values - values.max(axis=1, keepdims=True))
        return np.asarray(scaled[:, 0] - np.log(np.exp(scaled).sum(axis=1)))

    def sharpness(self, similarity: Array) -> float:
        """Sharpness at which the choices are most likely."""
        values = self.values(similarity)
        low, high = np.log(_SHARPNESS)
        from scipy.optimize import minimize_scalar  # loads much else

        found = minimize_scalar(
            lambda log: -self.mean(self.log_likelihood(values, math.exp(log))),
            bounds=(low, high), method="bounded",
        )  # fmt: skip
        return math.exp(float(found.x))

    def of(self, image: int) -> Choices:
        """Those in which one image takes part."""
        own = ((self.one == image) | (self.other == image)).any(axis=1)
        return Choices(self.one[own], self.other[own], self.weight[own])

    def __len__(self) -> int:
        return len(self.weight)


def choices_among(triplets: Sequence[Triplet], names: Sequence[str]) -> Choices:
    """Choices by the numbers of their images; equal ones are one with their weights' sum.

    Those that name other images are left out and counted.
    """
    place = {name: i for i, name in enumerate(names)}
    held: dict[tuple[tuple[int, int], ...], float] = defaultdict(float)
    n_left_out = 0.0
    for triplet in triplets:
        pairs = [(place.get(a, -1), place.get(b, -1)) for a, b in (triplet.pair, *triplet.over)]
        if any(-1 in pair for pair in pairs):
            n_left_out += triplet.weight
            continue
        chosen, *over = ((min(a, b), max(a, b)) for a, b in pairs)
        held[(chosen, *[*sorted(over), (-1, -1)][:2])] += triplet.weight
    found = np.array(list(held), dtype=np.intp).reshape(-1, 3, 2)
    weight = np.array(list(held.values()), dtype=np.float64)
    return Choices(found[..., 0], found[..., 1], weight, n_left_out)


@dataclass(frozen=True)
class TripletCeiling:
    """How well anything can predict choices that were made several times; NaN without such.

    Attributes
    ----------
    lower
        Share of the answers that the majority of the other answers to the same three predicts.
    upper
        Share that the majority of all answers, this one included, predicts: nothing can do better.
    n
        Answers to questions that were answered more than once.
    repeated
        Those choices alone.
    """

    lower: float
    upper: float
    n: float
    repeated: Choices


def triplet_ceiling(choices: Choices) -> TripletCeiling:
    """Noise ceiling of choices, from questions that were answered more than once."""
    asked: dict[frozenset[tuple[int, int]], list[int]] = defaultdict(list)
    pairs = np.stack([choices.one, choices.other], axis=-1).tolist()
    for number, row in enumerate(pairs):
        asked[frozenset(tuple(pair) for pair in row if pair[0] >= 0)].append(number)
    lower = upper = total = 0.0
    kept: list[int] = []
    for options, numbers in asked.items():
        votes = choices.weight[numbers]
        if votes.sum() < 2:
            continue
        kept += numbers
        total += votes.sum()
        upper += votes.max()
        for k, vote in enumerate(votes):
            others = np.zeros(len(options))
            others[: len(votes)] = votes
            others[k] = max(0.0, vote - 1)
            best = others == others.max()
            lower += vote * best[k] / best.sum()
    index = np.array(sorted(kept), dtype=np.intp)
    repeated = Choices(choices.one[index], choices.other[index], choices.weight[index])
    if not total:
        return TripletCeiling(math.nan, math.nan, 0.0, repeated)
    return TripletCeiling(lower / total, upper / total, total, repeated)
