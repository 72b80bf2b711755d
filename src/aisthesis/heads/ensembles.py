"""Several predictors as one: their plain mean, or weights learnt on images they did not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aisthesis.errors import RequestError
from aisthesis.heads.fitting import FitOptions, fit_mlp
from aisthesis.heads.mlp import RatingHead
from aisthesis.heads.rows import Embeddings, RowsOnDisk, rows_of, with_each_block

__all__ = ["Ensemble", "Fitter", "bagging", "mlp_fitter", "out_of_fold", "stack", "stacking"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
#: Fits a member on the images of the first index, predicts those of the second.
Fitter = Callable[[Index, Index], ArrayLike]

#: Of the ridge, on predictions and ratings divided by the ratings' SD.
_PENALTIES = np.logspace(-3, 4, 22)
_FEWEST_IMAGES = 4


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A weighted sum of members' predictions.

    Attributes
    ----------
    kind
        How the weights came about.
    members
        Names of the M members, in the order of the columns that it is given.
    weights
        (M,), without unit. Of bagging 1/M each; of stacking they need not sum to one.
    intercept
        In rating units; 0 for bagging.
    penalty
        Of the ridge; NaN for bagging.
    """

    kind: Literal["bagging", "stacking"]
    members: tuple[str, ...]
    weights: Array
    intercept: float = 0.0
    penalty: float = float("nan")

    def __call__(self, predictions: ArrayLike) -> Array:
        """Combine members' predictions.

        Parameters
        ----------
        predictions : array
            Shape (..., M), in rating units; NaN in a member makes the sum NaN.

        Returns
        -------
        ndarray
            Shape (...), in rating units.
        """
        each = np.asarray(predictions, dtype=np.float64)
        if each.ndim < 1 or each.shape[-1] != len(self.members):
            raise RequestError(
                f"expected predictions (..., {len(self.members)}) of the members "
                f"{', '.join(self.members)}, got {each.shape}"
            )
        return np.asarray(each @ self.weights + self.intercept)


def bagging(members: Sequence[str]) -> Ensemble:
    """Give every member the same weight: the ensemble's prediction is the members' mean.

    Parameters
    ----------
    members : sequence of str
        Names, each once.

    References
    ----------
    Breiman (1996), "Bagging predictors", Machine Learning 24, 123-140: aggregation by the mean.
    Here members differ by backbone and seed (initialisation and training/validation split), not
    by bootstrap samples.
    """
    names = _names(members)
    return Ensemble("bagging", names, np.full(len(names), 1 / len(names)))


def stacking(
    out_of_fold: ArrayLike,
    ratings: ArrayLike,
    members: Sequence[str],
    *,
    non_negative: bool = True,
    n_folds: int = 5,
    seed: int = 0,
) -> Ensemble:
    """Learn the members' weights by ridge regression on predictions of images they did not see.

    Parameters
    ----------
    out_of_fold : array
        Shape (N, M): each member's prediction of each image by a fit without that image, from
        `out_of_fold`. Predictions of training images would favour the member that overfits most.
    ratings : array
        Shape (N,), in rating units.
    members : sequence of str
        Names of the M members.
    non_negative : bool
        Allow no weight below zero: a member then cannot count against itself, and the ensemble's
        map is a mean of its members' maps.
    n_folds, seed : int
        Of the cross-validation, over the same N images, that chooses the penalty of 22 from 0.001
        to 10,000 by mean squared error.

    Returns
    -------
    Ensemble

    Raises
    ------
    RequestError
        If shapes do not fit, a value is not finite, or there are fewer images than folds or than
        four.

    References
    ----------
    Wolpert (1992), "Stacked generalization", Neural Networks 5, 241-259. Breiman (1996), "Stacked
    regressions", Machine Learning 24, 49-64: ridge and non-negative weights.
    """
    names = _names(members)
    x, y = np.asarray(out_of_fold, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if x.ndim != 2 or x.shape != (len(y), len(names)) or y.ndim != 1:
        raise RequestError(
            f"expected out-of-fold predictions (N, {len(names)}) and ratings (N,), got {x.shape} "
            f"and {y.shape}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise RequestError(
            "expected finite out-of-fold predictions and ratings, got NaN or infinity; leave out "
            "images without a rating and predict all the others"
        )
    _check_folds(len(y), n_folds)
    from sklearn.linear_model import Ridge  # takes a second to load
    from sklearn.model_selection import GridSearchCV, KFold

    # In units of the ratings' SD one range of penalties serves every rating scale.
    sd = _sd(y) or 1.0
    search = GridSearchCV(
        Ridge(positive=non_negative),
        {"alpha": _PENALTIES},
        scoring="neg_mean_squared_error",
        cv=KFold(n_folds, shuffle=True, random_state=seed),
    ).fit(x / sd, y / sd)
    best: Ridge = search.best_estimator_
    return Ensemble(
        "stacking",
        names,
        np.asarray(best.coef_, dtype=np.float64),
        float(best.intercept_) * sd,
        float(search.best_params_["alpha"]),
    )


def out_of_fold(
    fitters: Mapping[str, Fitter],
    images: Index,
    *,
    n_folds: int = 5,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> Array:
    """Predict every image by members fitted on the other folds.

    Parameters
    ----------
    fitters : mapping
        For each of M members, a function of (images to fit on, images to predict), both as indices,
        that gives the predictions of the latter.
    images : ndarray
        Shape (N,): indices of the images to use, those that are not test images. No fitter is
        told of any other.
    n_folds, seed : int
        The folds are the same for every member.
    advance : callable
        Told of every fit that is done; there are M · `n_folds`.

    Returns
    -------
    ndarray
        Shape (N, M), in the order of `images` and `fitters`.
    """
    names = _names(list(fitters))
    chosen = np.asarray(images)
    if chosen.ndim != 1 or len(np.unique(chosen)) != len(chosen):
        raise RequestError(
            f"expected indices of images (N,), each once, got an array of shape {chosen.shape}"
        )
    _check_folds(len(chosen), n_folds)
    predictions = np.full((len(chosen), len(names)), np.nan)
    from sklearn.model_selection import KFold

    for fit, held in KFold(n_folds, shuffle=True, random_state=seed).split(chosen):
        for column, name in enumerate(names):
            found = np.asarray(fitters[name](chosen[fit], chosen[held]), dtype=np.float64)
            if found.shape != held.shape:
                raise RequestError(
                    f"expected {len(held)} predictions from {name}, got shape {found.shape}"
                )
            predictions[held, column] = found
            advance(1)
    return predictions


def stack(
    fitters: Mapping[str, Fitter],
    ratings: ArrayLike,
    development: Index,
    *,
    non_negative: bool = True,
    n_folds: int = 5,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> Ensemble:
    """Learn a stacking of members from images that are not test images, and from these alone.

    Apply the ensemble to the test predictions of members that were fitted on all of
    `development`, and score it with `evaluate`, as any other predictor.

    Parameters
    ----------
    fitters : mapping
        See `out_of_fold`.
    ratings : array
        Shape (all images,); only those of `development` are read.
    development : ndarray
        Indices of the training and validation images.
    non_negative, n_folds, seed
        See `stacking`.
    advance : callable
        Told of every fit that is done.
    """
    chosen = np.asarray(development)
    held_out = out_of_fold(fitters, chosen, n_folds=n_folds, seed=seed, advance=advance)
    return stacking(
        held_out,
        np.asarray(ratings, dtype=np.float64)[chosen],
        list(fitters),
        non_negative=non_negative,
        n_folds=n_folds,
        seed=seed,
    )


def mlp_fitter(
    embeddings: ArrayLike | Embeddings,
    ratings: ArrayLike,
    options: FitOptions | None = None,
    *,
    validation: float = 0.2,
    seed: int = 0,
) -> Fitter:
    """Make the fitter of an MLP head, as the study fits it.

    Parameters
    ----------
    embeddings : array
        Shape (all images, D), or rows on the disk.
    ratings : array
        Shape (all images,).
    options : FitOptions, optional
        How a head is trained.
    validation : float
        Share of the images to fit on that stop the fit, drawn evenly over the range of ratings.
    seed : int
        Of that draw and of the fit.
    """
    z: Embeddings
    if isinstance(embeddings, RowsOnDisk):
        z = embeddings
    else:
        z = torch.as_tensor(np.asarray(embeddings)).float()
    y = np.asarray(ratings, dtype=np.float64)

    def fitter(fit: Index, predict: Index) -> Array:
        train, stop = _held_back(y, fit, validation, seed)
        # Rows of other images are never handed over, not even to be left unused.
        rows = np.concatenate([train, stop])
        places = np.arange(len(rows))
        head = fit_mlp(
            rows_of(z, rows),
            torch.from_numpy(y[rows]),
            places[: len(train)],
            places[len(train) :],
            options,
            seed=seed,
        ).head
        with torch.no_grad():
            return with_each_block(rows_of(z, predict), head).double().numpy()

    return fitter


def fit_held_back(
    embeddings: ArrayLike,
    ratings: ArrayLike,
    options: FitOptions | None = None,
    *,
    validation: float = 0.2,
    seed: int = 0,
) -> RatingHead:
    """Fit a head to all images but those that stop it, drawn evenly over the ratings.

    Arguments are as in `mlp_fitter`.
    """
    z = torch.as_tensor(np.asarray(embeddings)).float()
    y = np.asarray(ratings, dtype=np.float64)
    train, stop = _held_back(y, np.arange(len(y)), validation, seed)
    return fit_mlp(z, torch.from_numpy(y), train, stop, options, seed=seed).head


def _held_back(ratings: Array, images: Index, share: float, seed: int) -> tuple[Index, Index]:
    """Divide images into training and stopping ones, one of the latter from each run of ratings."""
    n_stop = max(2, round(share * len(images)))
    if not 0 < share < 1 or n_stop > len(images) - 2:
        raise RequestError(
            f"expected a share of validation images in (0, 1) that leaves 2 of {len(images)} to "
            f"train on, got {share}"
        )
    rng = np.random.default_rng(seed)
    in_order = images[np.argsort(ratings[images], kind="stable")]
    stop = np.array([rng.choice(run) for run in np.array_split(in_order, n_stop)])
    return np.setdiff1d(images, stop), np.sort(stop)


def _sd(values: Array) -> float:
    """SD of values on any scale: squares neither overflow nor vanish."""
    centred = values - values.mean()
    largest = float(np.abs(centred).max())
    return largest * float((centred / largest).std()) if largest > 0 else 0.0


def _names(members: Sequence[str]) -> tuple[str, ...]:
    names = tuple(members)
    if not names or len(set(names)) != len(names):
        raise RequestError(
            f"expected at least one member, each named once, got {', '.join(names) or 'none'}"
        )
    return names


def _check_folds(n: int, n_folds: int) -> None:
    if not 2 <= n_folds <= n or n < _FEWEST_IMAGES:
        raise RequestError(
            f"expected 2 folds or more and at least {_FEWEST_IMAGES} images, one for every fold, "
            f"got {n_folds} folds of {n} images"
        )
