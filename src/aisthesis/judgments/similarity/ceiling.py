"""How well any model can agree with single subjects who agree with each other only so far."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.judgments.similarity.second_order import second_order
from aisthesis.stats.ranks import average_ranks

__all__ = ["SimilarityCeiling", "agreement_with_subjects", "similarity_ceiling"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SimilarityCeiling:
    """Bounds on the mean agreement with single subjects; NaN with fewer than two.

    Attributes
    ----------
    lower
        Mean agreement of each subject with the pooled judgments of the others.
    upper
        Mean agreement of each subject with the pooled judgments of all, the subject included: no
        model can do better.
    n_subjects
        K.
    """

    lower: float
    upper: float
    n_subjects: int

    def as_dict(self) -> dict[str, float | int]:
        """Return all fields as plain values."""
        return asdict(self)


def similarity_ceiling(dissimilarity: Array, *, measure: str = "pearson") -> SimilarityCeiling:
    """Noise ceiling of pairwise judgments.

    Each subject's matrix is brought to the scale on which the measure compares (z-scores for
    Pearson, ranks for Spearman, length one for the cosines) before matrices are averaged, so that
    the average is the matrix with the highest mean agreement.

    Parameters
    ----------
    dissimilarity : (K, N, N)
        NaN where a subject did not judge a pair; each subject counts on the own pairs alone.
    measure : {"pearson", "spearman", "cosine", "whitened_cosine"}

    References
    ----------
    Nili et al. 2014, A toolbox for representational similarity analysis, PLoS Comput Biol 10.
    """
    k = len(dissimilarity)
    if k < 2:
        return SimilarityCeiling(math.nan, math.nan, k)
    scaled = np.stack([_scaled(matrix, measure) for matrix in dissimilarity])
    with_all = np.broadcast_to(_mean(scaled), scaled.shape)
    with_others = np.stack([_mean(np.delete(scaled, i, 0)) for i in range(k)])
    upper = _agreements(with_all, dissimilarity, measure)
    lower = _agreements(with_others, dissimilarity, measure)
    return SimilarityCeiling(_plain_mean(lower), _plain_mean(upper), k)


def agreement_with_subjects(network: Array, dissimilarity: Array, *, measure: str) -> Array:
    """Agreement of one matrix (N, N) with each subject's (K, N, N), shape (K,).

    Their mean is what the noise ceiling bounds.
    """
    return _agreements(np.broadcast_to(network, dissimilarity.shape), dissimilarity, measure)


def _agreements(models: Array, subjects: Array, measure: str) -> Array:
    values = []
    for model, subject in zip(models, subjects, strict=True):
        mask = (np.isfinite(model) & np.isfinite(subject)).astype(np.float64)
        np.fill_diagonal(mask, 0.0)
        a, b = np.nan_to_num(model), np.nan_to_num(subject)
        values.append(float(second_order(a, b, mask, measure=measure)))
    return np.array(values)


def _scaled(matrix: Array, measure: str) -> Array:
    upper = np.triu(np.isfinite(matrix), 1)
    values = matrix[upper]
    if measure == "spearman":
        values = average_ranks(values)
    elif measure == "pearson":
        sd = values.std()
        values = (values - values.mean()) / (sd if sd > 0 else 1.0)
    else:
        size = np.sqrt((values**2).mean())
        values = values / (size if size > 0 else 1.0)
    result = np.full_like(matrix, np.nan)
    result[upper] = values
    return np.where(np.isnan(result), result.T, result)


def _mean(matrices: Array) -> Array:
    known = np.isfinite(matrices)
    counts = known.sum(0)
    total = np.where(known, matrices, 0.0).sum(0)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def _plain_mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
