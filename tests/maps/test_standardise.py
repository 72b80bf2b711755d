"""Z-scores, and what has none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import zscore

from aisthesis.errors import RequestError
from aisthesis.maps.resample import upsample
from aisthesis.maps.standardise import z_score


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-6, 1.0, 1e30, 1e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_scipy_at_any_magnitude(scale, dtype):
    maps = (torch.randn(4, 9, 11, dtype=torch.float64).clamp(-3, 3) * scale).to(dtype)
    z, flat = z_score(maps)
    # Numbers below 1e-38 keep few digits in single precision.
    tolerance = 1e-3 if scale < 1e-38 and dtype == torch.float32 else 1e-6
    expected = zscore(maps.double().numpy() / scale, axis=(1, 2))
    assert not flat.any()
    assert z.dtype == dtype
    np.testing.assert_allclose(z.double().numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("value", [0.0, 1e-38, 0.1, -3.7, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_map_is_flat_also_after_upsampling(value, dtype):
    z, flat = z_score(upsample(torch.full((2, 7, 7), value, dtype=dtype), 224))
    assert flat.tolist() == [True, True]
    assert torch.equal(z, torch.zeros_like(z))


def test_a_map_with_little_contrast_on_a_pedestal_is_not_flat():
    z, flat = z_score(1000 + torch.randn(1, 7, 7, dtype=torch.float64))
    assert not flat
    assert z.std(correction=0).item() == pytest.approx(1)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_map_that_is_not_finite_has_no_z_scores_and_spoils_no_other(bad):
    maps = torch.randn(3, 7, 7)
    maps[1, 2, 3] = bad
    z, flat = z_score(maps)
    assert z[1].isnan().all()
    assert z[[0, 2]].isfinite().all()
    assert not flat.any()


def test_whole_numbers_are_refused():
    with pytest.raises(RequestError, match="float tensor"):
        z_score(torch.ones(3, 4, 4).long())
