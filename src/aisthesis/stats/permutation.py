"""Random pairings of images with images, p values of them, and their correction."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial, prod
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Pairings", "corrected", "holm", "p_of_pairings", "paired_means"]

#: Pairings looked at together.
PAIRINGS_AT_ONCE = 1000
#: Of so many images or more all pairings are never listed.
MOST_LISTED = 13

#: Whole numbers as short as the number of images lets them be.
Partners = NDArray[np.signedinteger]


class Pairings:
    """Random pairings of n images with n images, within strata, made once for equal strata.

    Parameters
    ----------
    n_permutations
        Random pairings; all there are where there are no more.
    seed
        Of the pairings.
    """

    def __init__(self, n_permutations: int, seed: int) -> None:
        self._n_permutations = n_permutations
        self._seed = seed
        self._made: dict[bytes, tuple[Partners, bool]] = {}
        self._making = Lock()

    def of(self, strata: ArrayLike) -> tuple[Partners, bool]:
        """Give (pairings, n) partners of the images, and whether these are all that there are.

        Parameters
        ----------
        strata
            (n,) whole numbers: an image is paired only with images of its own number.
        """
        number = np.unique(np.asarray(strata), return_inverse=True)[1].astype(np.int32)
        key = number.tobytes()
        with self._making:
            if key not in self._made:
                self._made[key] = self._make(number)
            return self._made[key]

    def _make(self, number: NDArray[np.int32]) -> tuple[Partners, bool]:
        groups = [np.flatnonzero(number == one) for one in range(number.max(initial=-1) + 1)]
        few = all(len(group) < MOST_LISTED for group in groups)
        if few and prod(factorial(len(group)) for group in groups) <= self._n_permutations:
            return _every(groups, len(number)), True
        rng = np.random.default_rng(self._seed)
        partners = np.empty((self._n_permutations, len(number)), dtype=_whole(len(number)))
        for group in groups:
            ordered = np.tile(group.astype(partners.dtype), (self._n_permutations, 1))
            partners[:, group] = rng.permuted(ordered, axis=1, out=ordered)
        return partners, False


def _whole(n: int) -> type[np.int16] | type[np.int32]:
    return np.int16 if n <= np.iinfo(np.int16).max else np.int32


def _every(groups: list[NDArray[np.intp]], n: int) -> Partners:
    """All pairings within groups: (pairings, n)."""
    ways = product(*(permutations(group) for group in groups))
    order = np.concatenate([np.empty(0, dtype=np.intp), *groups])
    listed = np.array([[one for part in way for one in part] for way in ways], dtype=_whole(n))
    partners = np.empty((len(listed), n), dtype=listed.dtype)
    partners[:, order] = listed.reshape(len(listed), n)
    return partners


def paired_means(values: NDArray[np.float64], partners: Partners) -> NDArray[np.float64]:
    """Mean of ``values[i, partner of i]`` over images i of an (n, n) table, for every pairing."""
    n = len(values)
    flat, row = values.ravel(), n * np.arange(n)
    parts = [
        flat.take(row + partners[start : start + PAIRINGS_AT_ONCE]).mean(axis=1)
        for start in range(0, len(partners), PAIRINGS_AT_ONCE)
    ]
    return np.concatenate(parts)


def p_of_pairings(
    observed: float,
    means: NDArray[np.float64],
    direction: Literal["higher", "lower"],
    all_of_them: bool,
) -> float:
    """Share of pairings at least as good as the observed one, as `permutation_test` counts it.

    With random pairings the observed one is counted among them, so p is never below
    1 / (pairings + 1).

    References
    ----------
    Phipson & Smyth (2010), "Permutation p-values should never be zero", Statistical Applications
    in Genetics and Molecular Biology 9(1), 39.
    """
    rounding = abs(1e-14 * observed)  # sums of the same values in another order tie
    if direction == "higher":
        as_good = np.count_nonzero(means >= observed - rounding)
    else:
        as_good = np.count_nonzero(means <= observed + rounding)
    if all_of_them:
        return as_good / len(means)
    return (as_good + 1) / (len(means) + 1)


def corrected(p: ArrayLike) -> NDArray[np.float64]:
    """Give p values corrected after Benjamini and Hochberg; NaN stays NaN and does not count.

    References
    ----------
    Benjamini & Hochberg (1995), "Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57(1), 289-300.
    """
    from scipy.stats import false_discovery_control  # takes half a second to load

    values = np.asarray(p, dtype=np.float64)
    known = np.isfinite(values)
    result = np.full(values.shape, np.nan)
    if known.any():
        result[known] = false_discovery_control(values[known], method="bh")
    return result


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Give p values corrected after Holm; NaN stays NaN and does not count.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2), 65-70.
    """
    values = np.asarray(p, dtype=np.float64)
    result = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    result[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return result
