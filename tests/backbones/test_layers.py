from __future__ import annotations

import pytest
import torch
import torchvision.models
from torch import Tensor, nn

from aisthesis.backbones import modern_path, scan_network
from aisthesis.errors import RequestError


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    with torch.device("meta"):
        return torchvision.models.resnet50()


def n_hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


@pytest.mark.parametrize(
    ("numbered", "named"),
    [
        ("features.0", "conv1"),
        ("features.7.2.conv3", "layer4.2.conv3"),
        ("features.7", "layer4"),
        ("features.8", "features.8"),  # the pooling is not counted
        ("layer4.2.conv3", "layer4.2.conv3"),
    ],
)
def test_both_spellings_of_a_resnet_layer(resnet: nn.Module, numbered: str, named: str) -> None:
    assert modern_path(resnet, numbered) == named


def test_numbered_children_are_those_of_the_published_sequential(resnet: nn.Module) -> None:
    sequential = nn.Sequential(*list(resnet.children())[:-2])
    for number, child in enumerate(sequential):
        assert resnet.get_submodule(modern_path(resnet, f"features.{number}")) is child


def test_features_of_another_network_are_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    assert modern_path(network, "features.0") == "features.0"


def test_scan_gives_the_true_shapes(small_network: nn.Module, images: Tensor) -> None:
    small_network.eval()
    scan = scan_network(small_network, images)
    shapes = {path: layer.shape for path, layer in scan.layers.items()}
    output: Tensor = images
    for path, part in small_network.named_children():  # one by one, without hooks
        output = part(output)
        if output.ndim == 4 and output.shape[2] > 1:
            assert shapes.pop(path) == tuple(output.shape[1:])
    assert shapes == {}


def test_hooks_are_removed_also_after_an_error(small_network: nn.Module, images: Tensor) -> None:
    scan_network(small_network.eval(), images)
    assert n_hooks(small_network) == 0
    with pytest.raises(RuntimeError):
        scan_network(small_network, images[:, :2])
    assert n_hooks(small_network) == 0


def test_deepest_is_the_last_to_run_not_the_last_to_be_defined(images: Tensor) -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second = nn.Conv2d(4, 5, 3)
            self.first = nn.Conv2d(3, 4, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.second(self.first(images))

    assert scan_network(Backwards(), images).deepest().path == "second"


def test_deepest_ignores_convolutions_without_a_grid(
    small_network: nn.Module, images: Tensor
) -> None:
    squeezed = nn.Sequential(small_network[:-1], nn.Conv2d(6, 2, 1))
    assert scan_network(squeezed.eval(), images).deepest().path == "0.conv2"


def test_deepest_without_any_convolution(images: Tensor) -> None:
    with pytest.raises(RequestError, match="no convolution whose output is a map"):
        scan_network(nn.Flatten(), images).deepest()


def test_a_misspelt_layer_names_the_nearest(small_network: nn.Module, images: Tensor) -> None:
    scan = scan_network(small_network.eval(), images, called="mine")
    with pytest.raises(RequestError, match=r"no layer 'cnv2' in mine.*conv2 \(6 × 8 × 8\)"):
        scan.layer("cnv2")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("pool", r"its output \(4, 6, 1, 1\)"),
        ("flat", r"its output \(4, 6\)"),
        ("", "no layer ''"),
    ],
)
def test_a_layer_without_a_map_says_why(
    small_network: nn.Module, images: Tensor, path: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason):
        scan_network(small_network.eval(), images).layer(path)


def test_a_layer_that_runs_twice_or_never(images: Tensor) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)
            self.relu = nn.ReLU()
            self.idle = nn.Conv2d(3, 3, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.relu(self.conv(self.relu(images)))

    scan = scan_network(Odd(), images)
    assert list(scan.layers) == ["conv"]
    with pytest.raises(RequestError, match="runs 2 times in one pass"):
        scan.layer("relu")
    with pytest.raises(RequestError, match="does not run"):
        scan.layer("idle")
