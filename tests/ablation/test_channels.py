from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.convnext import LayerNorm2d

from aisthesis.ablation.channels import channel_axis, channel_sets, find_layer, without_channels
from aisthesis.errors import RequestError

BLOCK = nn.Sequential(nn.LayerNorm(96), nn.Linear(96, 384), nn.GELU(), nn.Linear(384, 96))
#: Linear maps beside a convolution over reshaped tokens, as in PVT, CoAtNet and MobileViT.
MIXED = nn.Sequential(BLOCK, nn.Conv2d(384, 384, 3, groups=384), nn.Conv2d(96, 96, 2))
#: Linear maps of channels beside a convolution whose channels are the 49 tokens.
TOKEN_MIXER = nn.Sequential(BLOCK, nn.Conv1d(49, 20, 1), nn.Conv1d(20, 49, 1))


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (nn.Conv2d(3, 8, 1), (2, 8, 5, 5), 1),
        (nn.ReLU(), (2, 8, 5, 5), 1),
        (nn.Linear(3, 8), (2, 5, 5, 8), 3),
        (nn.Linear(3, 8), (2, 8, 8, 8), 3),
        (nn.Linear(3, 8), (2, 8), 1),
        (nn.LayerNorm(8), (2, 5, 5, 8), 3),
        (LayerNorm2d(8), (2, 8, 5, 5), 1),
        (LayerNorm2d(8), (2, 8, 8, 8), 1),
        (BLOCK, (2, 197, 96), 2),
        (BLOCK, (2, 7, 7, 96), 3),
        (nn.Sequential(nn.Conv2d(3, 96, 1), BLOCK), (2, 96, 7, 7), 1),
        (nn.Conv1d(3, 8, 1), (2, 8, 20), 1),
        (nn.GELU(), (2, 20, 8), 2),
        (nn.GELU(), (2, 7, 7, 384), 3),
        (nn.GELU(), (2, 384, 7, 7), 1),
        (nn.AvgPool1d(2), (2, 20, 8), 1),
        (nn.AvgPool2d(2), (2, 7, 7, 8), 1),
        (MIXED, (2, 49, 96), 2),
        (MIXED, (2, 96, 49), 1),
        (MIXED, (2, 7, 7, 96), 3),
        (MIXED, (2, 96, 7, 7), 1),
        (MIXED, (2, 96, 96, 384), 3),
        (nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8)), (2, 8, 20), 1),
        (nn.Sequential(nn.Conv2d(3, 7, 1), nn.BatchNorm2d(7)), (2, 7, 7, 7), 1),
    ],
)
def test_channel_axis_is_found(layer: nn.Module, shape: tuple[int, ...], axis: int) -> None:
    assert channel_axis(layer, shape, None) == axis


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (MIXED, (2, 96, 96)),
        (MIXED, (2, 50, 50)),
        (MIXED, (2, 96, 96, 96)),
        (TOKEN_MIXER, (2, 49, 96)),
    ],
)
def test_channels_and_tokens_that_cannot_be_told_apart_are_refused(layer, shape) -> None:
    with pytest.raises(RequestError, match="say which with channel_axis=1 or -1"):
        channel_axis(layer, shape, None)
    assert channel_axis(layer, shape, -1) == len(shape) - 1


def test_channel_axis_can_be_given() -> None:
    assert channel_axis(nn.ReLU(), (2, 7, 7, 96), -1) == 3
    with pytest.raises(RequestError, match="axis 0 counts images"):
        channel_axis(nn.ReLU(), (2, 7, 7, 96), 0)
    with pytest.raises(RequestError, match="choose a layer before it"):
        channel_axis(nn.ReLU(), (2,), None)


def test_sets_of_channels() -> None:
    expected = np.array([[1, 0, 1], [0, 0, 0]], dtype=bool)
    for sets in ([[0, 2], []], expected, torch.tensor(expected), [np.array([2, 0]), ()]):
        np.testing.assert_array_equal(channel_sets(sets, 3), expected)
    assert channel_sets(None, 3) is None
    for wrong in ([[3]], [[-1]], [[0.5]]):
        with pytest.raises(RequestError, match="channel numbers from 0 to 2"):
            channel_sets(wrong, 3)
    with pytest.raises(RequestError, match=r"\(G, 3\)"):
        channel_sets(np.ones((2, 4), dtype=bool), 3)


def test_missing_layer_names_its_neighbours() -> None:
    model = nn.Sequential()
    model.add_module("features", nn.Sequential(nn.Conv2d(3, 3, 1)))
    with pytest.raises(RequestError, match=r"did you mean features\.0"):
        find_layer(model, "features.1")
    with pytest.raises(RequestError, match="no layer ''"):
        find_layer(model, "")


def test_removal_to_zero_and_to_the_mean() -> None:
    a = torch.randn(2, 5, 3)
    assert (without_channels(a, 2, "zero") == 0).all()
    after = without_channels(a, 2, "mean")
    torch.testing.assert_close(after, a.mean(1, keepdim=True).expand_as(a))
    alone = torch.randn(2, 5)
    assert torch.equal(without_channels(alone, 1, "mean"), alone)
