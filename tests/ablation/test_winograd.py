"""Winograd's convolutions against torch's, and the networks that are ablated with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import aisthesis as ais
from aisthesis.ablation.winograd import Axis, convolved, kernel_at_points, suits


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
        return self.head(self.rows(x)).squeeze(1)

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(self.stem(x).relu()).relu()
        x = self.valid(self.third(self.second(x).relu()).relu())
        return self.linear(self.pool(x).flatten(1)).relu()


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


@pytest.mark.parametrize("memory_bytes", [10**9, 10**6])
def test_channels_through_wide_convolutions_are_exact(net, deep, memory_bytes: int) -> None:
    x = torch.randn(3, 3, 14, 14, dtype=torch.float64)
    with torch.no_grad():
        deep.stem.bias[2] = -100  # zero after its ReLU, so removing it changes nothing
        deep.stem.bias[5] = -0.5  # zero at most places
    plan = ais.ablation_plan(deep, "stem", x)
    assert "3 × 3 convolutions go by Winograd's algorithm" in str(plan)
    assert "left out in images where it changes nothing" in str(plan)
    result = plan(x, memory_bytes=memory_bytes)
    exact = net.zeroed_outputs(deep, "stem", x, range(8))
    torch.testing.assert_close(result.removed, exact, rtol=1e-10, atol=1e-12)
    assert (result.delta[:, 2] == 0).all()
    assert (result.delta[:, 5] != 0).any()
    chosen = plan(x, groups=[[5], [0], [5]]).delta
    torch.testing.assert_close(chosen, result.delta[:, [5, 0, 5]], rtol=0, atol=1e-13)
    several = plan(x, groups=[[0, 1], [3]]).removed
    exact = net.zeroed_outputs(deep, "stem", x, [[0, 1], [3]])
    torch.testing.assert_close(several, exact, rtol=1e-10, atol=1e-12)


class Standardised(nn.Module):
    """A head on rows, as every seed of a study has one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(12))
        self.layers = nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layers((z - self.mean) / 3).squeeze(-1) * 1.5 + 5


class DeepTrunk(Deep):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows(x)


@pytest.mark.parametrize("heads", [1, 3])
def test_several_heads_on_the_rows_go_the_general_way_after_the_pairs(net, heads: int) -> None:
    torch.manual_seed(4)
    model = ais.RatingEnsemble(DeepTrunk(), [Standardised() for _ in range(heads)])
    model = model.double().requires_grad_(False)
    x = torch.randn(3, 3, 14, 14, dtype=torch.float64)
    plan = ais.ablation_plan(model, "trunk.stem", x)
    assert "3 × 3 convolutions go by Winograd's algorithm" in str(plan)
    exact = net.zeroed_outputs(model, "trunk.stem", x, range(8))
    for memory_bytes in (10**9, 10**5):
        found = plan(x, memory_bytes=memory_bytes).removed
        torch.testing.assert_close(found, exact, rtol=1e-10, atol=1e-12)


class Rest(nn.Module):
    """Operations that pairs go through: norms, other convolutions, pools, a standardised mean."""

    def __init__(self, across: bool) -> None:
        super().__init__()
        self.stem, self.wide = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 64, 3, 2)
        self.deep, self.norm = nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.grouped = nn.Conv2d(64, 8, 3, 2, 1, groups=4)
        self.register_buffer("middle", torch.randn(8))
        self.head, self.across = nn.Linear(8, 2), across

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.silu(self.norm(self.deep(self.wide(self.stem(x)))))
        x = nn.functional.avg_pool2d(torch.tanh(self.grouped(x)), 2, 1)
        z = (x.mean((2, 3)) - self.middle) / 3
        if self.across:
            z = z - z.mean(0)
        return self.head(torch.dropout(z, 0.5, False).unsqueeze(1)).squeeze(1)


@pytest.mark.parametrize("across", [False, True])
def test_pairs_go_as_far_as_images_are_treated_apart(net, across: bool) -> None:
    torch.manual_seed(5)
    model = Rest(across).double().eval().requires_grad_(False)
    x = torch.randn(2, 3, 13, 12, dtype=torch.float64)
    plan = ais.ablation_plan(model, "stem", x)
    assert "Winograd" in str(plan)
    for images in (x, x[:1]):
        exact = net.zeroed_outputs(model, "stem", images, range(4))
        torch.testing.assert_close(plan(images).removed, exact, rtol=1e-10, atol=1e-12)
