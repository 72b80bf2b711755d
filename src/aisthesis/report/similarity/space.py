"""Images in the plane, as near to each other as people or a network find them alike."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial import procrustes
from scipy.spatial.distance import squareform

__all__ = ["leaf_order", "plane", "planes"]

Array = NDArray[np.float64]


def plane(dissimilarity: Array, *, seed: int = 0) -> Array:
    """Metric multidimensional scaling in two dimensions, (N, 2).

    SMACOF, started from classical scaling, so that one start is enough and the result is always
    the same. Missing pairs are taken as the mean of the others.
    """
    from sklearn.manifold import smacof

    complete = _complete(dissimilarity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sklearn about the defaults of its next version
        return smacof(
            complete,
            metric=True,
            n_components=2,
            init=_classical(complete),
            n_init=1,
            max_iter=500,
            random_state=seed,
            normalized_stress=False,
        )[0]


def planes(human: Array, others: list[Array], *, seed: int = 0) -> tuple[Array, list[Array]]:
    """The human plane, and others turned and mirrored to lie on it as well as can be.

    Returns
    -------
    human : (N, 2)
        Centred, with a sum of squares of one.
    others : list of (N, 2)
        Procrustes-aligned to it, each of the same size: the Procrustes scale would shrink a plane
        the more, the less it is like the human one.
    """
    own = plane(human, seed=seed)
    aligned = [procrustes(own, plane(other, seed=seed))[1] for other in others]
    centred = own - own.mean(0)
    return _unit(centred), [_unit(other) for other in aligned]


def leaf_order(dissimilarity: Array) -> NDArray[np.intp]:
    """Order of the images in which alike ones stand together (average linkage)."""
    condensed = squareform(_complete(dissimilarity), checks=False)
    tree = linkage(condensed, "average", optimal_ordering=len(dissimilarity) <= 300)
    return np.asarray(leaves_list(tree), dtype=np.intp)


def _unit(positions: Array) -> Array:
    return positions / max(float(np.sqrt((positions**2).sum())), 1e-300)


def _complete(dissimilarity: Array) -> Array:
    known = np.isfinite(dissimilarity)
    np.fill_diagonal(known, False)
    filled = np.where(known, dissimilarity, dissimilarity[known].mean())
    filled = filled - min(0.0, float(filled[known].min()))
    np.fill_diagonal(filled, 0.0)
    return (filled + filled.T) / 2


def _classical(dissimilarity: Array) -> Array:
    """Classical scaling: the first two axes of the doubly centred squares."""
    squares = dissimilarity**2
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    # An axis is either way round; its largest entry decides, so that no library does.
    axes = vectors[:, [-1, -2]] * np.sqrt(np.maximum(values[[-1, -2]], 1e-12))
    return axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
