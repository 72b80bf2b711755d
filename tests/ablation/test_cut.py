"""A network cut at its layer gives its own output, and a later pass starts from what it kept."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.ablation.cut import cut_at, resumed
from aisthesis.ablation.places.both import remove_both
from aisthesis.ablation.places.plan import place_plan
from aisthesis.ablation.plan import ablation_plan


class Shortcut(nn.Module):
    """A block whose sum overwrites a value, as a ResNet's does, and a constant after the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.layer = nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.relu = nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.scale = nn.Parameter(torch.rand(6, 1, 1))
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        out = self.norm(self.layer(x))
        out += x
        return self.head((self.relu(out) * self.scale.exp()).mean((2, 3)))


class Overwritten(nn.Module):
    """The ReLU right after the layer overwrites the layer's output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.rest = nn.Sequential(
            nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(self.layer(x))


class Batchwise(nn.Module):
    """What crosses the cut is not each image's own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x).mean((2, 3)) + x.mean(0, keepdim=True).mean())


@pytest.mark.parametrize("kind", [Shortcut, Overwritten])
def test_a_later_pass_starts_at_the_layer_and_gives_the_same(kind) -> None:
    torch.manual_seed(0)
    model = kind().eval().requires_grad_(False)
    images = torch.randn(5, 3, 8, 8)
    cut = cut_at(model, "layer", images[:2])
    output, carried = cut(images)
    assert torch.equal(output, model(images))
    channels = ablation_plan(model, "layer", images[:2])
    places = place_plan(model, "layer", images[:2], beside=channels)
    before = resumed(channels.way_of(images), carried)
    blank = torch.zeros(1).expand(images.shape)
    with_kept = remove_both(channels, places, blank, upstream=before)  # a batch not seen before
    without = remove_both(channels, places, images)
    for ours, theirs in zip(with_kept, without, strict=True):
        assert torch.equal(ours.delta, theirs.delta)
        assert torch.equal(ours.output, theirs.output)
        assert torch.equal(ours.activation, theirs.activation)


def test_no_cut_where_a_value_is_not_each_images_own() -> None:
    assert (
        cut_at(Batchwise().eval().requires_grad_(False), "layer", torch.randn(2, 3, 8, 8)) is None
    )


def test_a_way_does_not_start_from_values_of_other_names() -> None:
    model = Overwritten().eval().requires_grad_(False)
    images = torch.randn(2, 3, 8, 8)
    way = ablation_plan(model, "layer", images).way_of(images)
    assert resumed(way, {"other": torch.randn(2, 4, 6, 6)}) is None
