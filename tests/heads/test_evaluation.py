from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from aisthesis.heads import evaluate
from aisthesis.stats.correlation import kendall_of_draws


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
    counts = np.stack([np.bincount(row, minlength=60) for row in resamples]).astype(float)
    np.testing.assert_allclose(kendall_of_draws(y, f, counts), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["plcc", "srcc", "krcc", "rmse", "mae", "r2"])
def test_intervals_hold_the_value_and_repeat(pair, name) -> None:
    first, second = evaluate(*pair, seed=3), evaluate(*pair, seed=3)
    assert first == second
    assert first[f"{name}_low"] < first[name] < first[f"{name}_high"]


RHO, SLOPE = 0.6, 0.5
TRUTH = {
    "plcc": RHO,
    "srcc": 6 / np.pi * np.arcsin(RHO / 2),
    "krcc": 2 / np.pi * np.arcsin(RHO),
    "rmse": np.sqrt(1 - 2 * SLOPE * RHO + SLOPE**2),
    "mae": np.sqrt(2 / np.pi * (1 - 2 * SLOPE * RHO + SLOPE**2)),
    "r2": 2 * SLOPE * RHO - SLOPE**2,
}


@pytest.mark.parametrize("n", [5, 8, 20, 60])
def test_intervals_of_scores_cover_as_often_as_they_claim(n) -> None:
    """Of bivariate normal ratings and predictions, whose scores are known."""
    studies = 400 if n < 60 else 250
    rng = np.random.default_rng(n)
    hits = dict.fromkeys(TRUTH, 0)
    for _ in range(studies):
        y = rng.normal(size=n)
        f = SLOPE * (RHO * y + np.sqrt(1 - RHO**2) * rng.normal(size=n))
        scores = evaluate(y, f, n_boot=200)
        for name, truth in TRUTH.items():
            hits[name] += scores[f"{name}_low"] <= truth <= scores[f"{name}_high"]
    low, high = (0.91, 0.99) if n > 5 else (0.90, 1.0)  # of five images ranks are few
    shares = {name: count / studies for name, count in hits.items()}
    assert all(low <= share <= high for share in shares.values()), shares
    assert np.mean(list(shares.values())) > 0.935


def test_a_perfect_order_of_few_images_is_no_certainty() -> None:
    scores = evaluate(np.arange(5.0), np.arange(5.0) ** 3)
    assert scores["srcc"] == pytest.approx(1)
    assert scores["srcc_high"] == 1
    assert scores["srcc_low"] < 0.5


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


def test_scores_of_many_images_are_those_of_few(pair, monkeypatch) -> None:
    """Of many images no matrix of all pairs is made, and groups are left out a few at a time."""
    expected = evaluate(*pair)
    monkeypatch.setattr("aisthesis.heads.evaluation.MOST_IN_PAIRS", 10)
    monkeypatch.setattr("aisthesis.stats.jackknife.KEPT_AT_ONCE", 130)
    assert evaluate(*pair) == pytest.approx(expected, rel=1e-12)
