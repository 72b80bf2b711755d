from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aisthesis.errors import RequestError
from aisthesis.importance.scores import evidence_scores, importance_scores

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(finite, finite, finite)
def test_score_has_the_sign_of_exact_arithmetic(f: float, change: float, y: float) -> None:
    score = importance_scores(np.array([f]), np.array([[change]]), np.array([y]))[0, 0]
    residual = Fraction(f - y)  # the residual itself is a float64
    exact = abs(residual + Fraction(change)) - abs(residual)
    assert np.sign(score) == (exact > 0) - (exact < 0)
    if exact != 0:
        assert abs(score) == abs(change)


def test_change_far_below_the_rounding_of_the_residual_keeps_its_sign() -> None:
    change = np.array([[1e-18, -1e-18]])
    naive = np.abs(3.0 + change) - 3.0
    assert (naive == 0).all()
    np.testing.assert_array_equal(importance_scores(np.array([5.0]), change, [2.0]), change)
    np.testing.assert_array_equal(importance_scores(np.array([2.0]), change, [5.0]), -change)


def test_overshooting_the_rating_counts() -> None:
    # f = 5, y = 4: lowering by 1 is perfect, by 2 as bad as before, by 3 worse
    scores = importance_scores(np.array([5.0]), np.array([[-1.0, -2.0, -3.0, 1.0]]), [4.0])
    np.testing.assert_array_equal(scores, [[-1.0, 0.0, 3.0, 1.0]])


def test_image_without_rating_is_nan_in_every_channel_and_head() -> None:
    f, delta = torch.randn(2, 3), torch.randn(2, 4, 3)
    scores = importance_scores(f, delta, np.array([np.nan, 1.0]))
    assert scores.isnan()[0].all()
    assert scores[1].isfinite().all()
    assert scores.dtype == torch.float64


def test_torch_and_numpy_agree() -> None:
    generator = np.random.default_rng(0)
    f, delta, y = generator.normal(size=(4, 2)), generator.normal(size=(4, 7, 2)), np.arange(4.0)
    by_numpy = importance_scores(f, delta, y)
    by_torch = importance_scores(torch.tensor(f), torch.tensor(delta), torch.tensor(y))
    np.testing.assert_array_equal(by_numpy, by_torch.numpy())
    for k in range(2):  # heads are scored apart
        np.testing.assert_array_equal(
            by_numpy[..., k], importance_scores(f[:, k], delta[..., k], y)
        )


def test_every_head_may_have_ratings_of_its_own() -> None:
    generator = np.random.default_rng(0)
    f, delta, y = (generator.normal(size=shape) for shape in ((4, 2), (4, 7, 2), (4, 2)))
    for kind in (np.asarray, torch.from_numpy):
        scores = np.asarray(importance_scores(kind(f), kind(delta), y))
        for k in range(2):
            own = importance_scores(f[:, k], delta[..., k], y[:, k])
            np.testing.assert_array_equal(scores[..., k], own)


def test_evidence_is_the_change_reversed() -> None:
    delta = torch.tensor([[0.5, -2.0]])
    assert evidence_scores(delta).tolist() == [[-0.5, 2.0]]
    assert evidence_scores(delta.numpy()).dtype == np.float64


@pytest.mark.parametrize(
    ("f", "delta", "y"),
    [
        ((2,), (2, 3, 1), (2,)),
        ((2,), (2, 3), (3,)),
        ((2, 5), (2, 3, 4), (2,)),
        ((2, 5), (2, 3, 5), (2, 4)),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(f, delta, y) -> None:
    with pytest.raises(RequestError, match="score the images of one batch together"):
        importance_scores(np.zeros(f), np.zeros(delta), np.zeros(y))
