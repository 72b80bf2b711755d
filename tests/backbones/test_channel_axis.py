"""Which axis of a layer's output runs over channels is tried, where its shape can be read twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aisthesis.ablation.plan import ablation_plan
from aisthesis.backbones import Backbone
from aisthesis.errors import RequestError
from aisthesis.images import Transform

SIDE, PATCH, CELLS = 32, 4, 8
TOKENS = CELLS * CELLS
TRANSPOSED = "places along the last axis.*can be taken: "


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def made(module: nn.Module, layer: str) -> Backbone:
    return Backbone(module, layer=layer, transform=Transform(SIDE, SIDE))


class Patches(nn.Module):
    """Patches as tokens (N, T, C), normalised; the rest is a subclass's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, width, PATCH, PATCH), nn.LayerNorm(width)
        self.last = nn.Linear(width, width)

    def tokens(self, images: Tensor) -> Tensor:
        return self.norm(self.patches(images).flatten(2).mT)


class AlongTokens(Patches):
    """A convolution along the tokens, which are the last axis there."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.along = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.GELU())

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        return self.last(x + self.along(x.mT).mT).mean(1)


class Mixer(Patches):
    """Tokens mixed by linear maps of (N, C, T), or by a convolution whose channels they are."""

    def __init__(self, width: int, by_convolution: bool = False) -> None:
        super().__init__(width)
        mixed = nn.Conv1d(TOKENS, TOKENS, 1) if by_convolution else nn.Linear(TOKENS, TOKENS)
        self.mix, self.by_convolution = nn.Sequential(mixed, nn.GELU()), by_convolution

    def forward(self, images: Tensor) -> Tensor:
        x = self.tokens(images)
        x = x + (self.mix(x) if self.by_convolution else self.mix(x.mT).mT)
        return self.last(x).mean(1)


class DepthwiseBlock(nn.Module):
    """Linear maps around a convolution over the reshaped tokens, as in PVT and CoAtNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(x).mT.unflatten(2, (CELLS, CELLS))
        return x + self.narrow(self.depthwise(y).flatten(2).mT)


class Depthwise(Patches):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.block = DepthwiseBlock(width)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.block(self.tokens(images))).mean(1)


class ChannelsLast(nn.Module):
    """A map (N, h, w, C) and then a convolution of it turned round."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches, self.linear = nn.Conv2d(3, width, PATCH, PATCH), nn.Linear(width, width)
        self.act, self.convolution = nn.GELU(), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.act(self.linear(self.patches(images).permute(0, 2, 3, 1)))
        return self.convolution(x.permute(0, 3, 1, 2)).mean((2, 3))


@pytest.mark.parametrize("width", [12, 16, TOKENS])
def test_a_convolution_along_tokens_has_them_on_its_last_axis(width: int) -> None:
    network = AlongTokens(width)
    for layer in ("along.0", "along.1", "along"):
        with pytest.raises(RequestError, match=TRANSPOSED + "last"):
            made(network, layer)
    for layer in ("norm", "last"):
        assert made(network, layer).map_shape == (width, CELLS, CELLS)
    assert made(network, "deepest").layer == "last"


@pytest.mark.parametrize("width", [20, 36, 49])
def test_what_mixes_tokens_is_told_by_the_lengths_of_other_layers(width: int) -> None:
    network = Mixer(width)
    for layer in ("mix.0", "mix.1"):
        with pytest.raises(RequestError, match=TRANSPOSED + "last"):
            made(network, layer)
    by_convolution = Mixer(width, by_convolution=True)
    for layer in ("mix.0", "mix.1", "last"):
        assert made(by_convolution, layer).map_shape == (width, CELLS, CELLS)


@pytest.mark.parametrize("width", [6, 16])
def test_maps_with_channels_last_before_a_convolution(width: int) -> None:
    network = ChannelsLast(width)
    for layer in ("linear", "act"):
        taken = made(network, layer)
        assert taken.map_shape == (width, CELLS, CELLS)
        assert taken.layout is not None
        assert taken.layout.channel_axis == -1
    assert made(network, "convolution").layout.channel_axis == 1


def test_as_many_channels_as_rows_are_no_reason_to_take_rows_for_channels() -> None:
    network = ChannelsLast(CELLS)
    for layer in ("linear", "act"):
        with pytest.raises(RequestError, match=r"\(image, 8, 8, 8\).*" + TRANSPOSED):
            made(network, layer)
    for layer in ("patches", "convolution"):
        assert made(network, layer).layer == layer


@pytest.mark.parametrize("width", [10, 16])
def test_channels_of_a_block_with_a_convolution_inside_are_removed_not_its_tokens(
    width: int,
) -> None:
    network = Depthwise(width).eval()
    assert made(network, "block").map_shape == (width, CELLS, CELLS)
    images = torch.randn(2, 3, SIDE, SIDE)
    plan = ablation_plan(network, "block", images[:1])
    found = plan(images).delta
    assert found.shape == (2, width, width)

    def without(_part: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        output = output.clone()
        output[..., 3] = 0
        return output

    with torch.no_grad():
        whole = network(images).double()
        handle = network.block.register_forward_hook(without)
        expected = network(images) - whole
        handle.remove()
    torch.testing.assert_close(found[:, 3], expected, rtol=1e-4, atol=1e-6)
