"""Intervals against SciPy's, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from aisthesis.agreement.bootstrap import mean_intervals, resampled_means
from aisthesis.errors import RequestError


@pytest.mark.parametrize("n", [10, 60])
def test_ends_are_those_of_scipys_bca(n):
    values = np.random.default_rng(0).exponential(size=(n, 2))
    ours = mean_intervals(values, seed=1, n_boot=40_000)
    for column in range(2):
        theirs = bootstrap(
            (values[:, column],), np.mean, n_resamples=40_000, method="BCa", rng=2, batch=4000
        ).confidence_interval
        width = theirs.high - theirs.low
        assert ours.low[column] == pytest.approx(theirs.low, abs=0.02 * width)
        assert ours.high[column] == pytest.approx(theirs.high, abs=0.02 * width)


def test_intervals_cover_as_often_as_they_claim():
    studies = np.random.default_rng(0).normal(size=(138, 600))
    low, high = mean_intervals(studies, n_boot=1000)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.025)


def test_undefined_values_are_left_out():
    values = np.random.default_rng(0).normal(size=(50, 1))
    with_holes = np.concatenate([values, np.full((50, 1), np.nan)])
    ours, whole = mean_intervals(with_holes, n_boot=20_000), mean_intervals(values, n_boot=20_000)
    width = whole.high[0] - whole.low[0]
    # The number of defined images varies between draws, which widens the interval by a little.
    assert ours.low[0] == pytest.approx(whole.low[0], abs=0.04 * width)
    assert ours.high[0] == pytest.approx(whole.high[0], abs=0.04 * width)


def test_draws_in_steps_hold_every_image_equally_often(monkeypatch):
    monkeypatch.setattr("aisthesis.agreement.bootstrap.DRAWS_AT_ONCE", 100)
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
