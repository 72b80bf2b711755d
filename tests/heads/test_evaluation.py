from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from aisthesis.heads import evaluate
from aisthesis.heads.evaluation import _krcc_resampled


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    rating = rng.normal(50, 10, 60).round(0)
    return rating, (0.7 * rating + rng.normal(0, 6, 60)).round(1)


def test_values_are_those_of_scipy_and_scikit_learn(pair) -> None:
    y, f = pair
    scores = evaluate(y, f, n_boot=0)
    assert scores["n"] == 60
    assert scores["plcc"] == pytest.approx(stats.pearsonr(y, f).statistic, abs=1e-12)
    assert scores["srcc"] == pytest.approx(stats.spearmanr(y, f).statistic, abs=1e-12)
    assert scores["krcc"] == pytest.approx(stats.kendalltau(y, f, variant="b").statistic)
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, f))
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(y, f))
    assert scores["r2"] == pytest.approx(metrics.r2_score(y, f))


def test_resampled_tau_is_the_tau_of_each_resample(pair) -> None:
    y, f = pair
    resamples = np.random.default_rng(1).integers(60, size=(25, 60))
    expected = [stats.kendalltau(y[row], f[row]).statistic for row in resamples]
    np.testing.assert_allclose(_krcc_resampled(y, f, resamples), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["plcc", "srcc", "krcc", "rmse", "mae", "r2"])
def test_intervals_hold_the_value_and_repeat(pair, name) -> None:
    first, second = evaluate(*pair, seed=3), evaluate(*pair, seed=3)
    assert first == second
    assert first[f"{name}_low"] < first[name] < first[f"{name}_high"]


def test_the_interval_of_plcc_covers_as_often_as_it_claims() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        a, b = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 80).T
        scores = evaluate(a, b, n_boot=300)
        hits += scores["plcc_low"] <= 0.6 <= scores["plcc_high"]
    assert 0.89 <= hits / 200 <= 0.99


def test_undefined_values_are_nan() -> None:
    constant = evaluate(np.array([1.0, 2, 3]), np.full(3, 0.1))
    assert np.isnan([constant[m] for m in ("plcc", "srcc", "krcc")]).all()
    assert np.isfinite(constant["rmse"])
    single = evaluate(np.array([1.0]), np.array([2.0]))
    assert np.isnan([single[m] for m in ("plcc", "rmse", "r2")]).all()


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape \(N,\)"):
        evaluate(np.zeros(3), np.zeros(4))


def test_two_images_have_no_correlation_though_two_points_lie_on_a_line() -> None:
    two = evaluate(np.array([1.0, 2.0]), np.array([3.0, 5.0]))
    assert np.isnan([two[m] for m in ("plcc", "srcc", "krcc", "plcc_low")]).all()
    assert two["rmse"] == pytest.approx(np.sqrt(6.5))
