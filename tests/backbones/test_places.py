"""Cells that are not where they seem, and layers whose places have no effect, are not taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from aisthesis.backbones import Backbone, backbone
from aisthesis.backbones.layers import scan_network
from aisthesis.errors import RequestError
from aisthesis.images import Transform

SIDE, PATCH, CELLS, WIDTH = 32, 4, 8, 12
TRANSFORM = Transform(SIDE, SIDE)
RASTER = torch.arange(CELLS * CELLS).reshape(CELLS, CELLS)


def windows(side: int) -> Tensor:
    """Cells window by window, as Swin's and Hiera's blocks have them."""
    n = CELLS // side
    return RASTER.reshape(n, side, n, side).permute(0, 2, 1, 3).flatten()


def grid_windows(side: int) -> Tensor:
    """Cells of a dilated grid together, as in MaxViT."""
    n = CELLS // side
    return RASTER.reshape(side, n, side, n).permute(1, 3, 0, 2).flatten()


def morton() -> Tensor:
    return RASTER.reshape(2, 2, 2, 2, 2, 2).permute(0, 3, 1, 4, 2, 5).flatten()


ORDERS: dict[str, Callable[[], Tensor]] = {
    "windows of 4": lambda: windows(4),
    "windows of 2": lambda: windows(2),
    "dilated windows": lambda: grid_windows(4),
    "z-order": morton,
    "columns first": lambda: RASTER.T.flatten(),
    "upside down": lambda: RASTER.flip(0).flatten(),
    "mirrored": lambda: RASTER.flip(1).flatten(),
    "at random": lambda: torch.randperm(CELLS * CELLS, generator=torch.Generator().manual_seed(1)),
}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.weights = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        looked = self.weights((q @ k.mT)[:, None].softmax(-1))  # (N, 1, T, T)
        return self.proj(looked[:, 0] @ v)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class Transformer(nn.Module):
    """Patches, in another order from the first block on, and read by a class token or averaged."""

    def __init__(self, order: Tensor | None = None, class_token: bool = False) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.before, self.after = Block(), Block()
        self.order = order
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH)) if class_token else None

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).mT
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        x = self.before(x)
        x = self.after(x if self.order is None else x[:, self.order])
        return x.mean(1) if self.token is None else x[:, 0]


def made(module: nn.Module, layer: str) -> Backbone:
    return Backbone(module, layer=layer, transform=TRANSFORM)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("order", ORDERS)
def test_tokens_in_another_order_are_refused_and_those_before_are_taken(order: str) -> None:
    network = Transformer(ORDERS[order]())
    for layer in ("after.mlp.2", "after.mlp.0", "after", "after.attention.proj"):
        with pytest.raises(
            RequestError, match=r"8 × 8 cells are not in the order .*before\.mlp\.2"
        ):
            made(network, layer)
    for layer in ("patches", "before.mlp.2", "before.attention.proj"):
        assert made(network, layer).layer == layer
    assert made(network, "deepest").layer == "before.mlp.2"


def test_tokens_in_the_order_of_the_picture_are_taken_wherever_attention_looks() -> None:
    for class_token in (False, True):
        network = Transformer(class_token=class_token)
        for layer in ("patches", "before.attention.proj", "before.attention.qkv", "before"):
            assert made(network, layer).map_shape[1:] == (CELLS, CELLS)


def test_weights_of_attention_are_no_map() -> None:
    with pytest.raises(RequestError, match="64 × 64 cells are not in the order"):
        made(Transformer(), "before.attention.weights")


class Windowed(nn.Module):
    """Maps cut into as many windows as each has cells: (N, 4, 4, C), or (N, C, 4, 4)."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.patches, self.mix = nn.Conv2d(3, WIDTH, 8, 8), nn.Identity()
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images)  # (N, C, 4, 4)
        x = x.reshape(len(x), WIDTH, 2, 2, 2, 2).permute(0, 1, 2, 4, 3, 5)
        x = x.reshape(len(x), WIDTH, 4, 4)
        x = self.mix(x.permute(0, 2, 3, 1) if self.last else x)
        return x.mean((1, 2) if self.last else (2, 3))


@pytest.mark.parametrize("last", [True, False])
def test_windows_beside_each_other_are_no_map(last: bool) -> None:
    assert made(Windowed(last), "patches").map_shape == (WIDTH, 4, 4)
    with pytest.raises(RequestError, match="not in the order of the picture"):
        made(Windowed(last), "mix")


def test_places_that_only_a_class_token_could_carry_on_have_no_effect() -> None:
    network = Transformer(class_token=True)
    for layer in ("after.mlp.2", "after.attention.proj", "after"):
        with pytest.raises(RequestError, match=r"none of its places .* taken: before\.mlp\.2"):
            made(network, layer)
    assert made(network, "deepest").layer == "before.mlp.2"
    assert made(network, "after.attention.qkv").layer == "after.attention.qkv"
    assert made(Transformer(), "deepest").layer == "after.mlp.2"


class Branches(nn.Module):
    """A convolution that nothing is computed from, and one behind a weight of zero."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.scaled = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.unused = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        x = x + self.weight * self.scaled(x)
        self.unused(x)
        return x.mean((2, 3))


def test_a_branch_that_nothing_is_computed_from_is_refused_and_a_weight_of_zero_is_not() -> None:
    with pytest.raises(RequestError, match="none of its places has an effect"):
        made(Branches(1.0), "unused")
    for weight in (0.0, 1.0):
        assert made(Branches(weight), "scaled").layer == "scaled"
        assert made(Branches(weight), "deepest").layer == "scaled"


class Lost(nn.Module):
    """The picture is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.constant = nn.Parameter(torch.randn(5))

    def forward(self, images: Tensor) -> Tensor:
        self.convolution(images)
        return self.constant.expand(len(images), -1)


def test_a_network_without_any_layer_that_matters_says_so() -> None:
    with pytest.raises(RequestError, match=r'no layer of lost has places .*layer="none"'):
        made(Lost(), "deepest")
    assert made(Lost(), None).layer is None


def test_the_network_is_left_as_it_was() -> None:
    network = Transformer(ORDERS["windows of 4"](), class_token=False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(RequestError):
        Backbone(network, layer="after", transform=TRANSFORM, copy=False)
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)
    assert not any(part._forward_hooks for part in network.modules())
    assert not any(value.requires_grad for value in network.parameters())


def test_deepest_is_the_same_kind_of_layer_a_block_earlier() -> None:
    scan = scan_network(Transformer(class_token=True).eval(), torch.randn(2, 3, SIDE, SIDE))
    found = [layer.path for layer in scan.from_deepest()]
    assert found[:4] == [
        "after.mlp.2", "after.attention.proj", "before.mlp.2", "before.attention.proj"
    ]  # fmt: skip


def test_timms_class_token_network_has_by_default_a_layer_that_matters() -> None:
    pytest.importorskip("timm")
    network = backbone("timm:test_vit", weights="random")
    images = torch.randn(2, 3, network.input_px, network.input_px)
    before = network.trunk(images)

    def noise(_part: nn.Module, _inputs: tuple[Tensor], output: Tensor) -> Tensor:
        output = output.clone()
        output[:, 1:] = 10 * torch.randn_like(output[:, 1:])
        return output

    handle = network.trunk.get_submodule(network.trunk_layer).register_forward_hook(noise)
    changed = network.trunk(images)
    handle.remove()
    assert (changed - before).abs().max() > 0
