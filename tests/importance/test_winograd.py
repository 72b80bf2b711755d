"""Winograd's convolutions against torch's, and the networks that are ablated with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import aisthesis as ais
from aisthesis.importance.winograd import Axis, convolved, kernel_at_points, suits


@pytest.mark.parametrize("shift", [1, 0, -1, 3])
def test_every_length_is_the_plain_convolution(shift: int) -> None:
    weight = torch.randn(6, 5, 3, 3, dtype=torch.float64)
    for length in range(1, 16):
        cells = max(1, length + 1 - shift)
        x = torch.randn(2, cells, 7, 5, dtype=torch.float64)
        axes = (Axis(length), Axis(7))
        matrices = (axes[0].evaluation(shift, cells), axes[1].evaluation(1, 7))
        evaluations = tuple(torch.as_tensor(matrix)[None] for matrix in matrices)
        found = convolved(x, kernel_at_points(weight), axes, evaluations)
        rows = F.pad(x.movedim(3, 1), (1, 1, shift, length + 2 - shift - cells))
        exact = F.conv2d(rows, weight).movedim(1, 3)
        torch.testing.assert_close(found, exact, rtol=0, atol=1e-12)


def test_maps_may_be_evaluated_each_in_its_own_way() -> None:
    weight, axis = torch.randn(4, 4, 3, 3, dtype=torch.float64), Axis(6)
    x = torch.randn(2, 5, 5, 4, dtype=torch.float64)
    each = torch.as_tensor(np.stack([axis.evaluation(shift, 5) for shift in (0, 2)]))
    kernel = kernel_at_points(weight)
    found = convolved(x, kernel, (axis, axis), (each, each))
    for number in range(2):
        own = each[number : number + 1]
        alone = convolved(x[number : number + 1], kernel, (axis, axis), (own, own))
        torch.testing.assert_close(found[number], alone[0])


def test_single_precision_rounds_about_as_torch_does() -> None:
    x, weight = torch.randn(2, 14, 14, 128), torch.randn(128, 128, 3, 3) / 34
    axis = Axis(14)
    matrix = torch.as_tensor(axis.evaluation(1, 14), dtype=x.dtype)[None]
    found = convolved(x, kernel_at_points(weight), (axis, axis), (matrix, matrix))
    exact = F.conv2d(x.movedim(3, 1).double(), weight.double(), padding=1).movedim(1, 3)
    assert sum(size for _, size in axis.tiles) == 14
    assert (found - exact).abs().max() < 2e-5


def test_narrow_and_half_precision_convolutions_stay_direct() -> None:
    assert suits("conv2d", nn.Conv2d(64, 64, 3), None)
    assert not suits("conv2d", nn.Conv2d(63, 64, 3), None)
    assert not suits("conv2d", nn.Conv2d(64, 64, 3), torch.bfloat16)
    for options in ({"stride": 2}, {"groups": 2}, {"dilation": 2}, {"padding_mode": "circular"}):
        assert not suits("conv2d", nn.Conv2d(64, 64, 3, padding=1, **options), None)


class Deep(nn.Module):
    """Convolutions wide enough for Winograd's algorithm, behind each other, then blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first, self.second = nn.Conv2d(8, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)
        self.third, self.valid = nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 3, bias=False)
        self.pool, self.linear = nn.MaxPool2d(2), nn.Linear(64 * 36, 12)
        self.head = nn.Linear(12, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(self.stem(x).relu()).relu()
        x = self.valid(self.third(self.second(x).relu()).relu())
        return self.head(self.linear(self.pool(x).flatten(1)).relu()).squeeze(1)


@pytest.fixture(scope="module")
def deep() -> nn.Module:
    torch.manual_seed(3)
    return Deep().double().eval().requires_grad_(False)


@pytest.mark.parametrize("window", [1, 5])
def test_places_through_wide_convolutions_are_exact(net, deep, window: int) -> None:
    x = torch.randn(2, 3, 14, 14, dtype=torch.float64)
    plan = ais.place_plan(deep, "stem", x, window=window, verify=False)
    assert "in windows around each place, 3 × 3 convolutions by Winograd's" in str(plan)
    windows = net.square_windows(plan.shape, window)[::9]
    exact = net.without_places(deep, "stem", x, windows)
    found = plan(x, memory_bytes=10**7 if window == 1 else 10**9).removed
    torch.testing.assert_close(found.flatten(1)[:, ::9], exact, rtol=1e-10, atol=1e-12)
