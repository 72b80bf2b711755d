"""Ranks, Kendall's tau and corrected p values are SciPy's, which takes a second to load."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, kendalltau, rankdata

from aisthesis.stats.correlation import kendall
from aisthesis.stats.permutation import corrected
from aisthesis.stats.ranks import average_ranks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((7,), -1), ((3, 50), -1), ((50, 4), 0), ((2, 3, 9), 1), ((1,), -1), ((0,), -1), ((3, 0), -1)],
)
def test_ties_share_the_mean_of_their_ranks(shape, axis) -> None:
    values = RNG.integers(0, 6, shape).astype(float)
    values.flat[: min(2, values.size)] = (np.inf, 1 + 1e-15)[: values.size]
    np.testing.assert_array_equal(average_ranks(values, axis), rankdata(values, axis=axis))


def test_a_row_with_nan_has_no_ranks() -> None:
    values = np.array([[1.0, np.nan, 2.0], [3.0, 3.0, 1.0]])
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=-1))
    assert np.isnan(kendall(*values))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 300])
@pytest.mark.parametrize("levels", [1, 2, 1000])
def test_kendall_is_tau_b(n, levels) -> None:
    x, y = RNG.integers(0, levels, (2, n)).astype(float)
    expected = kendalltau(x, y).statistic if n > 1 else np.nan
    np.testing.assert_allclose(kendall(x, y), expected, rtol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_corrected_p_values_are_benjamini_and_hochbergs(n) -> None:
    p = RNG.uniform(size=n).round(1)
    np.testing.assert_array_equal(corrected(p), false_discovery_control(p))
    np.testing.assert_array_equal(corrected([*p, np.nan]), [*false_discovery_control(p), np.nan])
