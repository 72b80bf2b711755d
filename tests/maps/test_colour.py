"""Colours: the sign by hue, zero white, limits symmetric."""

from __future__ import annotations

import numpy as np
import pytest

from aisthesis.errors import RequestError
from aisthesis.maps.colour import (
    DIVERGING_ANCHORS,
    overlay,
    signed_rgba,
    stated_limit,
    symmetric_limit,
)


def test_zero_is_white_positive_red_negative_blue():
    rgba = signed_rgba(np.array([[-2.0, 0.0, 1.0, 2.0]]))
    assert rgba[0, 1].tolist() == [255, 255, 255, 255]
    assert rgba[0, 0, :3].tolist() == list(DIVERGING_ANCHORS[0])
    assert rgba[0, 3, :3].tolist() == list(DIVERGING_ANCHORS[-1])
    assert rgba[0, 2, 0] > rgba[0, 2, 2]
    assert rgba[0, 0, 2] > rgba[0, 0, 0]


def test_a_map_of_one_sign_keeps_zero_white():
    rgba = signed_rgba(np.array([[0.0, 5.0]]))
    assert rgba[0, 0, :3].tolist() == [255, 255, 255]


def test_limit_saturates_and_opposite_values_are_equally_strong():
    rgba = signed_rgba(np.array([[9.0, 3.0]]), limit=3.0)
    assert np.array_equal(rgba[0, 0], rgba[0, 1])
    faded = signed_rgba(np.array([[-1.0, 1.0, 0.0]]), limit=2.0, fade=True)[..., 3]
    assert faded[0, 0] == faded[0, 1] == 128
    assert faded[0, 2] == 0


@pytest.mark.parametrize("maps", [np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_maps_without_contrast_have_a_limit(maps):
    assert symmetric_limit(maps) == 1.0
    assert signed_rgba(maps).shape == (2, 2, 4)


def test_pixels_that_are_not_finite_are_transparent():
    assert signed_rgba(np.array([[np.nan, 1.0, np.inf]]))[0, :, 3].tolist() == [0, 255, 0]
    assert symmetric_limit(np.array([1.0, np.inf, -2.0])) == 2.0
    assert symmetric_limit(np.arange(101.0), quantile=0.9) == 90.0


def test_overlay_shows_the_photograph_where_the_map_is_zero():
    photograph = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    maps = np.zeros((2, 4, 4))
    maps[:, 0, 0] = 1.0
    result = overlay(photograph, maps, opacity=1.0)
    assert result.shape == (2, 4, 4, 3)
    assert np.array_equal(result[0, 1:], photograph[1:])
    assert result[0, 0, 0].tolist() == list(DIVERGING_ANCHORS[-1])


def test_what_cannot_be_laid_over_is_refused():
    with pytest.raises(RequestError, match="upsample them first"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((5, 5)))
    with pytest.raises(RequestError, match="convert it to RGB"):
        overlay(np.zeros((4, 4)), np.zeros((4, 4)))
    with pytest.raises(RequestError, match="opacity"):
        signed_rgba(np.zeros((2, 2)), opacity=2)
    with pytest.raises(RequestError, match="limit"):
        signed_rgba(np.zeros((2, 2)), limit=0)
    with pytest.raises(RequestError, match="quantile"):
        symmetric_limit(np.zeros(2), quantile=0)


ONE_SIGN = np.random.default_rng(0).uniform(0.3, 9.0, (40, 40))


def test_values_of_one_sign_have_one_hue_whatever_their_mean():
    for sign, other, own in ((-1.0, 0, 2), (1.0, 2, 0)):
        for limit in (None, 0.5, 100.0):
            rgb = signed_rgba(sign * ONE_SIGN, limit)[..., :3].astype(int)
            assert (rgb[..., own] >= rgb[..., other]).all()
            assert (rgb[..., own] > rgb[..., other]).any()


def test_relative_to_the_mean_is_asked_for_and_ignores_the_sign():
    rgb = signed_rgba(-ONE_SIGN, relative_to_mean=True)[..., :3].astype(int)
    above = ONE_SIGN.mean() > ONE_SIGN
    assert (rgb[above, 0] >= rgb[above, 2]).all()
    assert (rgb[~above, 2] >= rgb[~above, 0]).all()
    assert (rgb[above, 0] > rgb[above, 2]).any()
    maps = np.stack([ONE_SIGN, ONE_SIGN + 50])
    both = signed_rgba(maps, 5.0, relative_to_mean=True)
    np.testing.assert_array_equal(both[0], both[1])
    photograph = np.full((40, 40, 3), 128, np.uint8)
    laid = overlay(photograph, -ONE_SIGN, relative_to_mean=True).astype(int)
    assert (laid[..., 0] > laid[..., 2] + 20).any()
    values = overlay(photograph, -ONE_SIGN).astype(int)
    assert (values[..., 0] <= values[..., 2]).all()


@pytest.mark.parametrize("value", [0.1, -3e-30, 7e20, 0.0])
def test_a_constant_map_is_white_relative_to_its_mean(value):
    flat = np.full((2, 7, 7), value, np.float32)
    flat[1, 0, 0] = np.nan
    rgba = signed_rgba(flat, relative_to_mean=True)
    assert (rgba[..., :3][np.isfinite(flat)] == 255).all()
    assert rgba[1, 0, 0, 3] == 0


@pytest.mark.parametrize("scale", [1e-300, 1e-7, 0.3, 1.0, 42.0, 1e5, 1e300])
def test_a_stated_limit_has_two_digits_and_nothing_lies_beyond_it(scale):
    for seed in range(20):
        maps = np.random.default_rng(seed).normal(0, scale, (3, 3))
        limit = stated_limit(maps)
        largest = np.abs(maps).max()
        assert largest <= limit <= largest * 1.1 + 1e-320
        assert float(f"{limit:.1e}") == limit
    assert stated_limit(np.zeros((2, 2))) == 1.0
    assert stated_limit(np.array([1e308, np.finfo(float).max])) == np.finfo(float).max


def test_few_values_among_zeros_still_make_the_limit():
    maps = np.zeros(1000)
    maps[0] = -0.25
    assert symmetric_limit(maps, quantile=0.99) == 0.25
