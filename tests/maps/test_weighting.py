"""Maps against a plain loop over channels."""

from __future__ import annotations

import pytest
import torch

from aisthesis.errors import RequestError
from aisthesis.maps.weighting import activation_map, weighted_map


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weighted_map_is_the_sum_over_channels_of_score_times_rectified_activation(dtype):
    generator = torch.Generator().manual_seed(0)
    activation = torch.randn(3, 5, 4, 6, generator=generator, dtype=dtype)
    scores = torch.randn(2, 3, 5, generator=generator, dtype=dtype)
    maps = weighted_map(scores, activation)
    assert maps.shape == (2, 3, 4, 6)
    assert maps.dtype == dtype
    for seed in range(2):
        for image in range(3):
            expected = sum(
                scores[seed, image, channel] * activation[image, channel].clamp(min=0)
                for channel in range(5)
            )
            torch.testing.assert_close(maps[seed, image], expected)
    torch.testing.assert_close(weighted_map(scores[1], activation), maps[1])


def test_channels_that_are_negative_everywhere_add_nothing():
    activation = -torch.rand(2, 3, 4, 4)
    assert torch.equal(weighted_map(torch.ones(2, 3), activation), torch.zeros(2, 4, 4))


def test_activation_map_is_the_plain_mean_with_signs():
    activation = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(activation_map(activation), activation.sum(1) / 3)


def test_no_images_give_no_maps():
    assert weighted_map(torch.ones(0, 3), torch.ones(0, 3, 4, 4)).shape == (0, 4, 4)


@pytest.mark.parametrize(
    ("scores", "activation", "words"),
    [
        (torch.ones(2, 4), torch.ones(2, 3, 4, 4), "one score per image and channel"),
        (torch.ones(3), torch.ones(2, 3, 4, 4), r"expected scores of shape"),
        (torch.ones(2, 3), torch.ones(2, 3), "keeps a spatial map"),
        (torch.ones(2, 3).double(), torch.ones(2, 3, 4, 4), "one dtype"),
        (torch.ones(2, 3), torch.ones(2, 3, 4, 4).long(), "floating-point"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(scores, activation, words):
    with pytest.raises(RequestError, match=words):
        weighted_map(scores, activation)
