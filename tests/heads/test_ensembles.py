from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import RidgeCV
from torch import nn

from aisthesis.errors import RequestError
from aisthesis.heads import (
    FitOptions,
    MemberNetwork,
    PhotographEnsemble,
    bagging,
    evaluate,
    mlp_fitter,
    out_of_fold,
    stack,
    stacking,
)
from aisthesis.images import Transform

N, TEST = 80, np.arange(60, 80)
DEVELOPMENT = np.arange(60)


def noisy_members(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ratings, and three members: a good one, a fair one and one that knows nothing."""
    rng = np.random.default_rng(seed)
    rating = rng.normal(5, 1.5, N)
    noise = rng.normal(size=(N, 3)) * [0.5, 1.0, 1.5]
    return rating, np.stack([rating, rating, np.full(N, 5.0)], axis=1) + noise


def embeddings(rating: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"a": rating[:, None] + rng.normal(size=(N, 3)), "b": rng.normal(size=(N, 2))}


def fitters(each: dict[str, np.ndarray], rating: np.ndarray) -> dict[str, Any]:
    options = FitOptions(hidden=4, epochs=15, learning_rate=1e-2)
    return {
        name: mlp_fitter(z, rating, options, seed=i) for i, (name, z) in enumerate(each.items())
    }


def test_bagging_is_the_mean_and_is_evaluated_like_any_predictor() -> None:
    rating, predictions = noisy_members()
    ensemble = bagging(["a", "b", "c"])
    np.testing.assert_allclose(ensemble(predictions), predictions.mean(1))
    alone = [evaluate(rating, column, n_boot=0)["rmse"] for column in predictions.T]
    assert evaluate(rating, ensemble(predictions), n_boot=0)["rmse"] < max(alone)


def test_unconstrained_stacking_equals_scikit_learns_ridge_at_its_penalty() -> None:
    rating, predictions = noisy_members()
    ensemble = stacking(predictions, rating, ["a", "b", "c"], non_negative=False)
    sd = rating.std()
    ridge = RidgeCV(alphas=[ensemble.penalty]).fit(predictions / sd, rating / sd)
    np.testing.assert_allclose(ensemble.weights, ridge.coef_, rtol=1e-9)
    np.testing.assert_allclose(ensemble(predictions), sd * ridge.predict(predictions / sd))


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e30, 0), (1e160, 0), (1e300, 0), (1e-20, 0), (1e-300, 0), (1, 1e7)]
)
def test_weights_of_stacking_are_those_of_any_rating_scale(factor, offset) -> None:
    rating, predictions = noisy_members()
    plain = stacking(predictions, rating, ["a", "b", "c"])
    other = stacking(predictions * factor + offset, rating * factor + offset, ["a", "b", "c"])
    np.testing.assert_allclose(other.weights, plain.weights, rtol=1e-6)
    assert other.penalty == plain.penalty
    own = (other(predictions[:5] * factor + offset) - offset) / factor
    np.testing.assert_allclose(own, plain(predictions[:5]), rtol=1e-6)


def test_stacking_trusts_members_by_their_worth() -> None:
    rating, predictions = noisy_members()
    ensemble = stacking(predictions[:60], rating[:60], ["good", "fair", "idle"])
    good, fair, idle = ensemble.weights
    assert good > fair > idle >= 0
    held = {
        name: evaluate(rating[60:], each(predictions[60:]), n_boot=0)["rmse"]
        for name, each in (("stacking", ensemble), ("bagging", bagging(["g", "f", "i"])))
    }
    assert held["stacking"] < held["bagging"]


def test_non_negative_weights_are_not_negative_where_free_ones_are() -> None:
    rng = np.random.default_rng(1)
    common, rating = rng.normal(size=200), rng.normal(size=200)
    predictions = np.stack([rating + common, common], axis=1)  # the second corrects the first
    free = stacking(predictions, rating, ["a", "b"], non_negative=False)
    bound = stacking(predictions, rating, ["a", "b"])
    assert free.weights[1] < -0.5
    assert bound.weights.min() >= 0


def test_weights_do_not_depend_on_the_rating_scale() -> None:
    rating, predictions = noisy_members()
    one = stacking(predictions, rating, ["a", "b", "c"])
    other = stacking(10 * predictions + 3, 10 * rating + 3, ["a", "b", "c"])
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-5)
    np.testing.assert_allclose(10 * one(predictions) + 3, other(10 * predictions + 3), rtol=1e-5)


def test_no_image_is_predicted_by_a_fit_that_saw_it() -> None:
    calls: list[tuple[set[int], set[int]]] = []

    def fitter(fit: np.ndarray, predict: np.ndarray) -> np.ndarray:
        calls.append((set(fit.tolist()), set(predict.tolist())))
        return predict.astype(float)

    images, counted = np.array([3, 9, 4, 7, 11, 2, 30]), []
    found = out_of_fold({"a": fitter, "b": fitter}, images, n_folds=3, advance=counted.append)
    np.testing.assert_array_equal(found, np.stack([images, images], axis=1))
    assert len(calls) == sum(counted) == 6
    for fit, predict in calls:
        assert not fit & predict
        assert fit | predict == set(images.tolist())


def test_stacking_never_reads_the_test_images() -> None:
    rating, _ = noisy_members()
    one = stack(fitters(embeddings(rating), rating), rating, DEVELOPMENT, n_folds=3)
    broken, broken_rating = embeddings(rating), rating.copy()
    for each in (*broken.values(), broken_rating):
        each[TEST] = np.nan  # a single one read would spoil every weight
    other = stack(fitters(broken, broken_rating), broken_rating, DEVELOPMENT, n_folds=3)
    np.testing.assert_array_equal(one.weights, other.weights)
    assert one.intercept == other.intercept
    assert one.weights[0] > one.weights[1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bagging([]), "at least one member"),
        (lambda: bagging(["a", "a"]), "each named once"),
        (lambda: bagging(["a", "b"])(np.zeros((4, 3))), "of the members a, b"),
        (lambda: stacking(np.zeros((5, 2)), np.zeros(4), ["a", "b"]), r"\(N, 2\)"),
        (lambda: stacking(np.full((5, 1), np.nan), np.zeros(5), ["a"]), "NaN or infinity"),
        (lambda: stacking(np.zeros((3, 1)), np.zeros(3), ["a"], n_folds=2), "3 images"),
        (lambda: stacking(np.zeros((5, 1)), np.zeros(5), ["a"], n_folds=6), "6 folds of 5"),
        (lambda: out_of_fold({"a": lambda f, p: p}, np.zeros(9, int)), "each once"),
        (lambda: out_of_fold({"a": lambda f, p: f}, np.arange(9)), "predictions from a"),
        (
            lambda: mlp_fitter(np.zeros((9, 2)), np.zeros(9), validation=1.0)(
                np.arange(8), np.arange(8, 9)
            ),
            "share of validation images",
        ),
    ],
)
def test_unfit_requests_are_refused(call: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        call()


class Brightness(nn.Module):
    """Two heads: the mean of the red channel, and twice that of the green one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, 0].mean((1, 2)), 2 * x[:, 1].mean((1, 2))], dim=1)


class Blue(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 2].mean((1, 2))


def photographs() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(40, 30), (30, 44)]
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes]


def plain(crop_px: int) -> Transform:
    return Transform(crop_px + 4, crop_px, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_every_member_reads_the_photograph_its_own_way() -> None:
    networks = [
        MemberNetwork(("red", "green"), plain(16), Brightness()),
        MemberNetwork(("blue",), plain(12), Blue()),
    ]
    ensemble = bagging(["blue", "red", "green"])
    predictor = PhotographEnsemble(networks, ensemble)
    expected = []
    for photograph in photographs():
        large, small = plain(16)(photograph), plain(12)(photograph)
        means = [float(small[2].mean()), float(large[0].mean()), 2 * float(large[1].mean())]
        expected.append(means)
    np.testing.assert_allclose(predictor.members(photographs()), expected, rtol=1e-6)
    np.testing.assert_allclose(predictor(photographs()), np.mean(expected, axis=1), rtol=1e-6)
    assert predictor([]).shape == (0,)


def test_networks_must_be_the_ensembles() -> None:
    networks = [MemberNetwork(("blue",), plain(12), Blue())]
    with pytest.raises(RequestError, match="for the members red, got blue"):
        PhotographEnsemble(networks, bagging(["red"]))
    two = [MemberNetwork(("blue", "red"), plain(12), Blue())]
    with pytest.raises(RequestError, match="expected 2 predictions an image"):
        PhotographEnsemble(two, bagging(["red", "blue"]))(photographs())
