"""Pairs of backbones compared on the same images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from aisthesis.agreement.differences import agreement_differences
from aisthesis.stats.differences import mean_differences

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]


def table(n=40, seed=0, lift=0.0, noise=0.05):
    """Agreement that images decide, nearly alike for all pairs; that of a and b lies higher."""
    rng = np.random.default_rng(seed)
    common = rng.uniform(-0.5, 0.8, n)
    rows = []
    for a, b in PAIRS:
        values = common + noise * rng.normal(size=n) + lift * ((a, b) == ("a", "b"))
        rows += [
            {"image": i, "map": "ais", "metric": "cosine", "backbone_a": a, "backbone_b": b,
             "value": value}
            for i, value in enumerate(values)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_paired_difference_is_seen_where_intervals_overlap():
    found = agreement_differences(table(lift=0.1)).set_index(["compared", "first", "second"])
    row = found.loc["pairs", "a|b", "a|c"]
    assert row["low_corrected"] > 0
    assert row["p_corrected"] < 0.01
    assert not found.loc["pairs", "a|c", "b|c"]["p_corrected"] < 0.05
    wide = table(lift=0.1).pivot_table(
        index="image", columns=["backbone_a", "backbone_b"], values="value"
    )
    assert row["difference"] == pytest.approx((wide["a", "b"] - wide["a", "c"]).mean())
    theirs = ttest_rel(wide["a", "b"], wide["a", "c"]).confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((theirs.low, theirs.high), abs=0.005)
    network = found.loc["networks", "a", "c"]
    mean_a, mean_c = (wide[own].mean(axis=1) for own in ([PAIRS[0], PAIRS[1]], PAIRS[1:]))
    assert network["difference"] == pytest.approx((mean_a - mean_c).mean())


@pytest.mark.parametrize("n", [5, 8, 20, 60])
def test_equal_means_are_told_apart_in_few_studies(n):
    """Of 15 differences that go together, none is found in 19 of 20 studies."""
    i, j = np.triu_indices(6, 1)
    studies, found, covered = 250, 0, 0
    for seed in range(studies):
        rng = np.random.default_rng([n, seed])
        values = rng.normal(size=(n, 6)) + rng.normal(size=(n, 1))
        result = mean_differences(values[:, i] - values[:, j], n_boot=300)
        found += bool((result.p_corrected < 0.05).any())
        covered += bool(((result.low_corrected <= 0) & (result.high_corrected >= 0)).all())
    assert found / studies < 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)
    assert covered / studies > 0.95 - 4 * np.sqrt(0.05 * 0.95 / studies)


def test_undefined_and_equal_values_are_no_findings():
    values = np.zeros((12, 3))
    values[:, 1] = np.nan
    values[:, 2] = 0.2
    found = mean_differences(values, n_boot=50)
    assert found.p_corrected[0] == 1
    assert np.isnan(found.p_corrected[1])
    assert found.n.tolist() == [12, 0, 12]
    none = mean_differences(np.random.default_rng(0).normal(size=(30, 2)), n_boot=0)
    assert np.isnan(none.p_corrected).all()
    assert agreement_differences(table().query("backbone_a == 'a' and backbone_b == 'b'")).empty
