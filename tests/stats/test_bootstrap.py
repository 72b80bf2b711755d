"""Intervals against SciPy's, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import sem, ttest_1samp

from aisthesis.errors import RequestError
from aisthesis.stats.bootstrap import mean_intervals, resampled_means


def studentised_by_hand(sample, draws, seed):
    """The interval of Efron and Tibshirani's section 12.5."""
    rng = np.random.default_rng(seed)
    n = len(sample)
    drawn = sample[rng.integers(n, size=(draws, n))]
    distances = (drawn.mean(axis=1) - sample.mean()) / sem(drawn, axis=1)
    low, high = np.quantile(distances, [0.025, 0.975])
    return sample.mean() - high * sem(sample), sample.mean() - low * sem(sample)


@pytest.mark.parametrize("n", [10, 60])
def test_ends_are_those_of_a_studentised_bootstrap_by_hand(n):
    values = np.random.default_rng(0).exponential(size=(n, 2))
    ours = mean_intervals(values, seed=1, n_boot=40_000)
    for column in range(2):
        low, high = studentised_by_hand(values[:, column], 40_000, seed=2)
        assert ours.low[column] == pytest.approx(low, abs=0.03 * (high - low))
        assert ours.high[column] == pytest.approx(high, abs=0.03 * (high - low))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_of_very_few_values_the_interval_is_students(n):
    values = np.random.default_rng(n).normal(size=n)
    low, high = mean_intervals(values[:, None], n_boot=50)
    theirs = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high))


SHAPES = {
    "normal": (lambda rng, size: rng.normal(size=size), 0.0),
    "skewed, between 0 and 1": (lambda rng, size: rng.beta(2, 5, size=size), 2 / 7),
    "absolute normal": (lambda rng, size: abs(rng.normal(size=size)), np.sqrt(2 / np.pi)),
}


def covered(n, level, studies=1500):
    """Share of studies whose interval holds the true mean, over the shapes."""
    hits = []
    for number, (draw, truth) in enumerate(SHAPES.values()):
        values = draw(np.random.default_rng([n, number]), (n, studies))
        low, high = mean_intervals(values, seed=1, n_boot=300, level=level)
        hits.append(np.mean((low <= truth) & (high >= truth)))
    return np.array(hits)


@pytest.mark.parametrize("n", [5, 8, 20, 60])
def test_intervals_cover_as_often_as_they_claim(n):
    found = covered(n, 0.95)
    assert (found >= 0.93).all(), found
    assert (found <= 0.97).all(), found
    # Intervals of another level do not pass for these.
    assert (covered(n, 0.90) < 0.93).all()


def test_nearly_constant_values_have_students_interval():
    values = np.zeros((8, 1))
    values[3] = 1.0
    low, high = mean_intervals(values)
    theirs = ttest_1samp(values[:, 0], 0.0).confidence_interval(0.95)
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high))
    low, high = mean_intervals(values, bounds=(0.0, 1.0))
    assert (low[0], high[0]) == pytest.approx((0.0, theirs.high))


def test_undefined_values_are_left_out():
    values = np.random.default_rng(0).normal(size=(50, 1))
    with_holes = np.concatenate([values, np.full((50, 1), np.nan)])
    ours, whole = mean_intervals(with_holes, n_boot=20_000), mean_intervals(values, n_boot=20_000)
    width = whole.high[0] - whole.low[0]
    # The number of defined images varies between draws, which widens the interval by a little.
    assert ours.low[0] == pytest.approx(whole.low[0], abs=0.04 * width)
    assert ours.high[0] == pytest.approx(whole.high[0], abs=0.04 * width)


def test_draws_in_steps_hold_every_image_equally_often(monkeypatch):
    monkeypatch.setattr("aisthesis.stats.bootstrap.DRAWS_AT_ONCE", 100)
    means = resampled_means(np.eye(10), seed=0, n_boot=4000)
    np.testing.assert_allclose(means.mean(axis=0), 0.1, atol=0.01)
    np.testing.assert_allclose(means.sum(axis=1), 1)


@pytest.mark.parametrize("constant", [0.0, 1.0, -0.3])
def test_a_constant_has_an_interval_of_no_width(constant):
    low, high = mean_intervals(np.full((20, 1), constant))
    assert low[0] == pytest.approx(constant, abs=1e-12)
    assert high[0] == pytest.approx(constant, abs=1e-12)


def test_fewer_than_two_values_have_none():
    values = np.full((5, 2), np.nan)
    values[0, 1] = 1.0
    assert np.isnan(mean_intervals(values)).all()
    assert np.isnan(mean_intervals(np.empty((0, 2)))).all()
    with pytest.raises(RequestError, match="number of bootstrap draws, got -1"):
        mean_intervals(values, n_boot=-1)


def test_no_draws_leave_every_interval_undefined():
    low, high = mean_intervals(np.random.default_rng(0).normal(size=(9, 2)), n_boot=0)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
