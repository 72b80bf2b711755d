from __future__ import annotations

import warnings

import numpy as np
import pytest

from aisthesis.stats.means import mean_of_defined


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_it_is_the_mean_without_what_is_undefined(axis) -> None:
    values = np.random.default_rng(0).normal(size=(5, 4, 3))
    values[values > 1] = np.nan
    values[0, 0, 0] = np.inf
    values[:, 1, 1] = values[2, :, 1] = values[2, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mean_of_defined(values, axis)
    alone = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(found, np.nanmean(alone, axis=axis), rtol=1e-12)
    assert np.isnan(found).any()
