from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from aisthesis.backbones import KNOWN
from aisthesis.errors import RequestError
from aisthesis.miniature import MINIATURES
from aisthesis.miniature.networks import LAYERS, build

PARAMETRISED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)


def skeleton(network: nn.Module) -> list[tuple[str, type, object]]:
    """Paths and kinds of all modules, with the geometry (not the widths) of convolutions."""
    found: list[tuple[str, type, object]] = []
    for path, module in network.named_modules():
        kind = type(module)
        if path == "":
            continue
        geometry = (
            (module.kernel_size, module.stride, module.padding)
            if isinstance(module, nn.Conv2d)
            else None
        )
        found.append((path, kind, geometry))
    return found


@pytest.mark.parametrize("name", MINIATURES)
def test_topology_is_that_of_the_full_size_network(name: str) -> None:
    with torch.device("meta"):
        full = torchvision.models.get_model(KNOWN[name].network, weights=None)
        small = build(name, num_classes=1000)
    assert skeleton(small) == skeleton(full)
    parameters = sum(p.numel() for p in small.parameters())
    assert parameters < sum(p.numel() for p in full.parameters()) / 10


@pytest.mark.parametrize("name", MINIATURES)
def test_target_layers_are_the_full_size_ones(name: str) -> None:
    assert LAYERS[name] == KNOWN[name].layer


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"did you mean vgg1[69] or vgg1[69]"):
        build("vgg61", num_classes=3)
    with pytest.raises(RequestError, match="at least 1 output"):
        build("vgg16", num_classes=0)
