"""Dissimilarities from images that a person laid out on a plane, several times, some at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["arranged_dissimilarity"]

Array = NDArray[np.float64]
_MOST_STEPS, _SETTLED = 1000, 1e-10


def arranged_dissimilarity(n: int, trials: Sequence[tuple[NDArray[np.intp], Array]]) -> Array:
    """Average the distances of several arrangements, weighted by their evidence.

    The distances of a trial mean something beside each other alone, so each trial is scaled to the
    estimate of the same pairs; a distance counts by its square on the plane, because places can be
    set only so exactly. Both in turn, until nothing changes.

    Parameters
    ----------
    n : int
        Number N of images.
    trials : sequence of ((m,), (m, 2))
        Numbers of the images of a trial, and where each was put.

    Returns
    -------
    (N, N)
        With a root mean square of 1 over the pairs that were arranged; NaN for the others, 0 on the
        diagonal.

    References
    ----------
    Kriegeskorte & Mur, Inverse MDS: inferring dissimilarity structure from multiple item
    arrangements, Frontiers in Psychology 2012.
    """
    distances = np.full((len(trials), n, n), np.nan)
    for one, (index, places) in zip(distances, trials, strict=True):
        one[np.ix_(index, index)] = np.linalg.norm(places[:, None] - places[None], axis=2)
    upper = np.triu(np.isfinite(distances).any(axis=0), 1)
    values = distances[:, upper]  # (trials, pairs)
    seen = np.isfinite(values)
    values = np.where(seen, values, 0.0)
    # Pairs that were always put on one spot still have been judged.
    evidence = np.where(seen, np.maximum(values**2, 1e-12), 0.0)
    scale = 1 / np.sqrt(np.maximum((values**2).sum(1) / np.maximum(seen.sum(1), 1), 1e-300))
    estimate = np.zeros(values.shape[1])
    for _ in range(_MOST_STEPS):
        before = estimate
        estimate = (evidence * values * scale[:, None]).sum(0) / evidence.sum(0)
        estimate /= max(float(np.sqrt((estimate**2).mean())), 1e-300)
        same = (np.where(seen, estimate, 0.0) ** 2).sum(1) / np.maximum((values**2).sum(1), 1e-300)
        scale = np.sqrt(same)
        if np.abs(estimate - before).max(initial=0.0) < _SETTLED:
            break
    found = np.full((n, n), np.nan)
    found[upper] = estimate
    found = np.where(np.isnan(found), found.T, found)
    np.fill_diagonal(found, 0.0)
    return found
