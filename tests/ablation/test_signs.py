"""Where the sign of a channel is arbitrary, and where it means something."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.ablation import ablation_plan
from aisthesis.ablation.signs import relu_follows, sign_is_arbitrary
from aisthesis.errors import RequestError
from aisthesis.miniature import MINIATURES, miniature_backbone


def test_a_norm_or_a_linear_layer_that_follows_can_turn_a_sign_back() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 1), nn.Flatten(),
    )  # fmt: skip
    found = {layer: sign_is_arbitrary(net, layer) for layer in "0123456"}
    # 1: a norm whose output is rectified; 2: a rectifier has no sign to turn; 6: the output.
    assert found == {
        "0": True,
        "1": False,
        "2": False,
        "3": False,
        "4": False,
        "5": True,
        "6": False,
    }


def test_a_relu_that_follows_is_found() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
    )  # fmt: skip
    assert [relu_follows(net, layer) for layer in "01234"] == [True, False, False, True, False]
    rated = nn.Sequential(*net, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plans = [ablation_plan(rated, layer, (2, 3, 8, 8)) for layer in "01234"]
    assert all(plan.traced for plan in plans)
    told = [relu_follows(rated, plan.layer, plan.traced) for plan in plans]
    assert told == [True, False, False, True, False]
    signs = [sign_is_arbitrary(rated, plan.layer, plan.traced) for plan in plans]
    assert signs == [sign_is_arbitrary(rated, layer) for layer in "01234"]
    vgg = miniature_backbone("vgg16")
    assert relu_follows(vgg.trunk, "module.features.28")


def test_turning_channels_over_leaves_the_network_where_it_is_said_to_be_arbitrary() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    net[1].running_mean.normal_()
    x = torch.rand(2, 3, 8, 8)
    before, layer = net(x), net[0](x)
    sign = torch.tensor([-1.0, 1, -1, 1])
    with torch.no_grad():
        net[0].weight.mul_(sign.view(-1, 1, 1, 1))
        net[0].bias.mul_(sign)
        net[1].running_mean.mul_(sign)
        net[1].weight.mul_(sign)
    torch.testing.assert_close(net(x), before)
    assert not torch.allclose(net[0](x).clamp(min=0), layer.clamp(min=0))


@pytest.mark.parametrize("name", MINIATURES)
def test_four_of_the_six_default_layers_have_arbitrary_signs(name: str) -> None:
    made = miniature_backbone(name)
    assert made.trunk_layer is not None
    assert sign_is_arbitrary(made.trunk, made.trunk_layer) is (not name.startswith("vgg"))


def test_a_shortcut_that_is_added_as_it_is_fixes_the_sign() -> None:
    class Added(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            return self.norm(y) + y

    assert sign_is_arbitrary(Added(), "a") is False
    with pytest.raises(RequestError, match="no layer"):
        sign_is_arbitrary(Added(), "b")


def test_what_cannot_be_traced_is_not_told() -> None:
    class Untraceable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.a(x)
            return y if float(y.sum()) > 0 else -y

    assert sign_is_arbitrary(Untraceable(), "a") is None
