"""Resampling against torch.nn.functional.interpolate."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aisthesis.errors import RequestError
from aisthesis.maps.resample import interpolation_matrix, upsample


def reference(maps, size):
    return torch.nn.functional.interpolate(
        maps[:, None], size=size, mode="bilinear", align_corners=False, antialias=False
    )[:, 0]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 60), st.integers(1, 60), st.integers()
)
def test_upsample_is_interpolate(h, w, height, width, seed):
    generator = torch.Generator().manual_seed(seed % 2**31)
    maps = torch.randn(2, h, w, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(
        upsample(maps, (height, width)), reference(maps, (height, width)), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (13, 13), (14, 14), (5, 9), (224, 224)])
def test_single_precision_and_leading_axes(size):
    maps = torch.randn(3, *size)
    torch.testing.assert_close(upsample(maps, 224), reference(maps, (224, 224)), atol=1e-5, rtol=0)
    assert upsample(maps[None], 224).shape == (1, 3, 224, 224)
    assert upsample(maps[0], 224).shape == (224, 224)


def test_rows_of_the_matrix_sum_to_one_and_are_the_callers_own():
    matrix = interpolation_matrix(7, 224)
    torch.testing.assert_close(matrix.sum(1), torch.ones(224, dtype=torch.float64))
    matrix.zero_()
    assert interpolation_matrix(7, 224).sum() == pytest.approx(224)


def test_sizes_and_dtypes_that_make_no_sense_are_refused():
    with pytest.raises(RequestError, match="positive sizes"):
        interpolation_matrix(0, 3)
    with pytest.raises(RequestError, match="float tensor"):
        upsample(torch.ones(3, 3).long(), 224)
