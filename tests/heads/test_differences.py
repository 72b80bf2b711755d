"""Scores of predictions compared on the same images."""

from __future__ import annotations

import numpy as np
import pytest

from aisthesis.heads import evaluate, score_differences

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]


def study(n, seed, rho, shared=0.7):
    """Ratings, and predictions that correlate with them by `rho` and share their errors."""
    rng = np.random.default_rng([n, seed])
    y, common = rng.normal(size=n), rng.normal(size=n)
    predictions = {}
    for name, r in zip("abc", rho, strict=True):
        error = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=n)
        predictions[name] = r * y + np.sqrt(1 - r**2) * error
    return y, predictions


def test_a_clear_difference_is_seen_where_intervals_overlap():
    y, f = study(80, 0, (0.8, 0.6, 0.6), shared=0.95)
    found = score_differences(y, f, PAIRS).set_index("score")
    one, other = (evaluate(y, f[name]) for name in "ab")
    row = found.loc["srcc"].iloc[0]
    assert row["difference"] == pytest.approx(one["srcc"] - other["srcc"])
    assert one["srcc_low"] < other["srcc_high"]
    assert row["low_corrected"] > 0
    assert row["p_corrected"] < 0.05
    assert not (found["p_corrected"].to_numpy()[2::3] < 0.05).any()  # b and c are alike
    assert found["n"].unique().tolist() == [80]


def test_equal_predictors_are_told_apart_in_few_studies():
    """By any of a score's three differences; benchmarks/inference.py measures it closely."""
    studies, hits = 60, {}
    for seed in range(studies):
        y, f = study(10, seed, (0.6, 0.6, 0.6), shared=0.5)
        found = score_differences(y, f, PAIRS, n_boot=100)
        for name, rows in found.groupby("score"):
            hits[name] = hits.get(name, 0) + bool((rows["p_corrected"] < 0.05).any())
    assert max(hits.values()) / studies < 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)


def test_of_many_images_groups_are_left_out():
    y, f = study(900, 0, (0.7, 0.6, 0.6))
    found = score_differences(y, f, PAIRS, n_boot=200).set_index("score")
    assert found.loc["plcc"]["p_corrected"].iloc[0] < 0.01
    assert found["n"].unique().tolist() == [900]


def test_too_few_images_and_constant_predictions_are_no_findings():
    few = score_differences([1.0, 2.0, 3.0], {"a": [1, 2, 3], "b": [3, 2, 1]}, PAIRS[:1])
    assert few["p_corrected"].isna().all()
    y, f = study(30, 1, (0.9, 0.5, 0.5))
    f["b"] = np.zeros(30)
    found = score_differences(y, f, PAIRS[:1]).set_index("score")
    assert np.isnan(found.loc["srcc", "p_corrected"])
    assert np.isfinite(found.loc["rmse", "p_corrected"])
    assert score_differences(y, f, []).empty
