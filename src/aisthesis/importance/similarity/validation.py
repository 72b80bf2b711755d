"""Do the channels that matter on some images predict the judgments of others better?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from aisthesis.errors import RequestError
from aisthesis.importance.similarity.embeddings import Embeddings
from aisthesis.importance.similarity.retention import Retained, best_size, ranked, retention_curves
from aisthesis.importance.similarity.scores import Removal, alignment_scores

__all__ = ["PairedTest", "Validation", "fold_numbers", "paired_test", "signed_square", "validate"]

Array = NDArray[np.float64]

_FEWEST_HELD_OUT = 4  # three pairs at least, with one image to spare


@dataclass(frozen=True)
class Validation:
    """Held-out agreement, all channels against the retained ones.

    Attributes
    ----------
    table : DataFrame
        One row a repeat and fold: `repeat, fold, n_train, n_test, n_retained, agreement_train_full,
        agreement_train_retained, agreement_full, agreement_retained, r2_full, r2_retained,
        difference`; the columns without `train` are on held-out images.
    sizes : (G,)
        Numbers of retained channels.
    train, test : (folds x repeats, G)
        Agreement on the images that the channels were ranked on, and on the held-out ones.
    selected : (folds x repeats, C) bool
        Which channels each fold retained.
    """

    table: pd.DataFrame
    sizes: NDArray[np.intp]
    train: Array
    test: Array
    selected: NDArray[np.bool_]


@dataclass(frozen=True)
class PairedTest:
    """Mean of paired differences over the folds of a repeated cross-validation.

    Attributes
    ----------
    mean, low, high
        Mean difference and its 95% interval; NaN with fewer than two folds.
    t, p
        Corrected resampled t statistic, and its two-sided p value.
    n, n_better
        Folds, and those with a difference above 0.
    """

    mean: float
    low: float
    high: float
    t: float
    p: float
    n: int
    n_better: int

    def as_dict(self) -> dict[str, float | int]:
        """Return all fields as plain values."""
        return asdict(self)


def signed_square(agreement: Array) -> Array:
    """R² of an agreement; below 0 where the agreement is, so that it cannot pass for good."""
    return np.sign(agreement) * np.square(agreement)


def fold_numbers(n: int, folds: int, repeats: int, seed: int) -> NDArray[np.intp]:
    """Fold of each image in each repeat, (repeats, N): random, of sizes that differ by one.

    Raises
    ------
    RequestError
        If the images are too few for the folds.
    """
    if n // folds < _FEWEST_HELD_OUT:
        raise RequestError(
            f"expected at least {_FEWEST_HELD_OUT} images a fold, got {n} images for {folds} "
            f"folds; ask for at most {max(n // _FEWEST_HELD_OUT, 1)} folds"
        )
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(n) % folds for _ in range(repeats)])


def validate(
    embeddings: Embeddings,
    dissimilarity: Array,
    *,
    sizes: NDArray[np.intp],
    folds: int = 4,
    repeats: int = 4,
    seed: int = 0,
    measure: str = "pearson",
    removal: Removal = "ablate",
    retained: Retained = "columns",
    advance: Callable[[int], None] = lambda n: None,
) -> Validation:
    """Rank channels on training images, keep the best number of them, predict held-out images.

    For each fold the channels are ranked by their AIS over the training images; the number that
    maximises the agreement on the training images is kept; both embeddings are then compared with
    people on the pairs of held-out images. Nothing is chosen on held-out images.

    Parameters
    ----------
    embeddings : OwnedEmbeddings or DenseEmbeddings
        Of N images.
    dissimilarity : (N, N)
        Human; NaN where a pair was not judged.
    sizes : (G,)
        Numbers of channels to try, ascending.
    folds, repeats : int
        Of the cross-validation.
    seed : int
        Of the folds.
    measure, removal, retained
        As in `alignment_scores` and `retention_curve`.
    advance : callable
        Told how many folds were just done.

    Raises
    ------
    RequestError
        If there are too few images for the folds.
    """
    asked = np.union1d(sizes, np.array([embeddings.channels], dtype=np.intp))
    plan = _folds(embeddings.n, folds, repeats, seed)
    orders = []
    for _, _, train, _ in plan:
        scores = alignment_scores(
            embeddings.rows(train),
            dissimilarity[np.ix_(train, train)],
            measure=measure,
            removal=removal,
            images=False,
        )
        orders.append(ranked(scores.data_set))
    curves = retention_curves(
        embeddings, dissimilarity, orders, asked, [(train, test) for _, _, train, test in plan],
        measure=measure, retained=retained,
    )  # fmt: skip
    rows, kept_curves = [], []
    selected = np.zeros((len(plan), embeddings.channels), dtype=bool)
    for k, ((repeat, fold, train, test), curve) in enumerate(zip(plan, curves, strict=True)):
        n_retained = best_size(asked, curve[0])
        at = int(np.searchsorted(asked, n_retained))
        rows.append(_row(repeat, fold, train, test, n_retained, curve[:, [len(asked) - 1, at]]))
        kept_curves.append(curve[:, np.isin(asked, sizes)])
        selected[k, orders[k][:n_retained]] = True
        advance(1)
    both = np.array(kept_curves)
    return Validation(pd.DataFrame(rows), sizes, both[:, 0], both[:, 1], selected)


def _folds(
    n: int, folds: int, repeats: int, seed: int
) -> list[tuple[int, int, NDArray[np.intp], NDArray[np.intp]]]:
    """Repeat, fold, training and held-out images of every fold."""
    return [
        (repeat, fold, np.flatnonzero(number != fold), np.flatnonzero(number == fold))
        for repeat, number in enumerate(fold_numbers(n, folds, repeats, seed))
        for fold in range(folds)
    ]


def _row(
    repeat: int,
    fold: int,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    n_retained: int,
    agreement: Array,
) -> dict[str, float]:
    (train_full, train_kept), (full, kept) = agreement
    r2_full, r2_kept = signed_square(full), signed_square(kept)
    return {
        "repeat": repeat,
        "fold": fold,
        "n_train": len(train),
        "n_test": len(test),
        "n_retained": n_retained,
        "agreement_train_full": train_full,
        "agreement_train_retained": train_kept,
        "agreement_full": full,
        "agreement_retained": kept,
        "r2_full": r2_full,
        "r2_retained": r2_kept,
        "difference": r2_kept - r2_full,
    }


def paired_test(differences: Array, test_share: float) -> PairedTest:
    """Corrected resampled t test over the folds of a repeated cross-validation.

    The folds share training images, so their differences are not independent and the plain
    standard error is too small. Nadeau and Bengio's correction takes the variance of the mean as
    (1/J + n_test/n_train) s² over J folds; it has J - 1 degrees of freedom.

    Parameters
    ----------
    differences : (J,)
        NaN where undefined; those are left out.
    test_share : float
        n_test/n_train.

    References
    ----------
    Nadeau & Bengio 2003, Inference for the generalization error.
    """
    values = differences[np.isfinite(differences)]
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    better = int((values > 0).sum())
    if n < 2:
        return PairedTest(mean, math.nan, math.nan, math.nan, math.nan, n, better)
    error = math.sqrt((1 / n + test_share) * float(values.var(ddof=1)))
    if error == 0:
        return PairedTest(mean, mean, mean, math.nan, math.nan, n, better)
    t = mean / error
    half = float(stdtrit(n - 1, 0.975)) * error
    p = 2 * float(stdtr(n - 1, -abs(t)))
    return PairedTest(mean, mean - half, mean + half, t, p, n, better)
