"""Which images a head learns from, which stop it, and which judge it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError

__all__ = ["Split", "split"]

# The fewest for which each part's job is defined: a correlation on test and validation images,
# and an SD of the training ratings that rests on more than one difference.
_MIN_TEST, _MIN_VALIDATION, _MIN_TRAIN = 2, 2, 3


@dataclass(frozen=True)
class Split:
    """Names of the images in each part; sorted, disjoint, together all images.

    Attributes
    ----------
    train, validation, test
        Arrays of str.
    seed
        Decides the test images.
    fit_seed
        Decides how the others are divided into train and validation.
    """

    train: NDArray[np.str_]
    validation: NDArray[np.str_]
    test: NDArray[np.str_]
    seed: int
    fit_seed: int


def split(
    images: Sequence[str],
    ratings: Sequence[float] | NDArray[np.floating],
    *,
    test: float = 0.2,
    validation: float = 0.2,
    seed: int = 0,
    fit_seed: int | None = None,
    test_images: Collection[str] | None = None,
) -> Split:
    """Divide rated images into training, validation and test images.

    Both divisions are stratified: images are ordered by rating and cut into as many equal runs as
    images are wanted, and one image is drawn from each run, so that the part drawn spans the range
    of ratings. The order in which the images are given does not matter.

    Parameters
    ----------
    images
        Names, each once.
    ratings
        Mean rating of each; finite.
    test
        Share of all images, in (0, 1); at least two are taken.
    validation
        Share of the images that are not in the test part, in (0, 1); at least two are taken.
    seed
        Decides the test images.
    fit_seed
        Decides train and validation images, and nothing about the test images; `seed` by default.
    test_images
        Names of the test images, where they are not to be drawn; those that are not among `images`
        count for nothing, and so does `test`.

    Raises
    ------
    RequestError
        If there are too few images for the parts, a share is out of range, a name is there twice
        or a rating is not finite.
    """
    fit_seed = seed if fit_seed is None else fit_seed
    names, values = _sorted_by_name(images, ratings)
    if test_images is None:
        n_test, n_validation = _sizes(len(names), test, validation)
        # Two streams of one seed: dividing the rest must not repeat the draws of the test part.
        in_test = _draw_stratified(values, n_test, np.random.default_rng([seed, 0]))
    else:
        in_test = _named(names, test_images)
        n_validation = _validation_beside(int(in_test.sum()), len(names), validation)
    rest, rest_values = names[~in_test], values[~in_test]
    in_validation = _draw_stratified(
        rest_values, n_validation, np.random.default_rng([fit_seed, 1])
    )
    return Split(
        train=rest[~in_validation],
        validation=rest[in_validation],
        test=names[in_test],
        seed=seed,
        fit_seed=fit_seed,
    )


def _sorted_by_name(
    images: Sequence[str], ratings: Sequence[float] | NDArray[np.floating]
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    names = np.array(list(images), dtype=np.str_)
    values = np.asarray(ratings, dtype=np.float64)
    if values.shape != names.shape:
        raise RequestError(
            f"A split needs one rating an image, got {len(names)} images and ratings of shape "
            f"{values.shape}."
        )
    if not np.isfinite(values).all():
        raise RequestError(
            f"A split needs finite ratings, {int((~np.isfinite(values)).sum())} of {len(values)} "
            "are not; leave unrated images out."
        )
    order = np.argsort(names)
    names, values = names[order], values[order]
    if (names[1:] == names[:-1]).any():
        twice = names[1:][names[1:] == names[:-1]][0]
        raise RequestError(f"A split needs each image once, but {twice} is there twice.")
    return names, values


def _named(names: NDArray[np.str_], some: Collection[str]) -> NDArray[np.bool_]:
    """Which of some sorted names are among others."""
    asked = np.array(list(some), dtype=np.str_)
    places = np.minimum(np.searchsorted(names, asked), len(names) - 1)
    among = np.zeros(len(names), dtype=bool)
    among[places[names[places] == asked]] = True
    return among


def _sizes(n: int, test: float, validation: float) -> tuple[int, int]:
    for name, share in (("test", test), ("validation", validation)):
        if not 0 < share < 1:
            raise RequestError(f"The share of {name} images must be between 0 and 1, got {share}.")
    n_test = max(_MIN_TEST, round(test * n))
    n_validation = max(_MIN_VALIDATION, round(validation * (n - n_test)))
    n_train = n - n_test - n_validation
    if n_train < _MIN_TRAIN:
        smallest = _MIN_TEST + _MIN_VALIDATION + _MIN_TRAIN
        if n < smallest:
            raise RequestError(
                f"A study needs at least {smallest} rated images that can be read ({_MIN_TRAIN} to "
                f"train, {_MIN_VALIDATION} to validate, {_MIN_TEST} to test), but there are {n}."
            )
        raise RequestError(
            f"With test = {test:g} and validation = {validation:g}, {max(n_train, 0)} of {n} "
            f"images are left to train on and at least {_MIN_TRAIN} are needed; make the shares "
            "smaller."
        )
    return n_test, n_validation


def _validation_beside(n_test: int, n: int, validation: float) -> int:
    """How many validation images there are beside given test images."""
    if n_test < _MIN_TEST:
        raise RequestError(
            f"A study needs at least {_MIN_TEST} rated test images, but {n_test} of {n} rated "
            "images are named as test images."
        )
    n_validation = max(_MIN_VALIDATION, round(validation * (n - n_test)))
    n_train = n - n_test - n_validation
    if n_train < _MIN_TRAIN:
        raise RequestError(
            f"With {n_test} test images and validation = {validation:g}, {max(n_train, 0)} of {n} "
            f"rated images are left to train on and at least {_MIN_TRAIN} are needed."
        )
    return n_validation


def _draw_stratified(
    values: NDArray[np.float64], n_drawn: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw one from each of `n_drawn` equal runs of the values in order; ties in random order."""
    n = len(values)
    order = np.lexsort((rng.random(n), values))
    edges = [math.floor(n * i / n_drawn) for i in range(n_drawn + 1)]
    drawn = np.zeros(n, dtype=bool)
    for start, stop in pairwise(edges):
        drawn[order[rng.integers(start, stop)]] = True
    return drawn
