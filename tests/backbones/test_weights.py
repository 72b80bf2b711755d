from __future__ import annotations

import copy

import torch
from torch import nn

from aisthesis.backbones import WeightsRecord, tensors_digest


def test_digest_is_the_same_for_equal_tensors(small_network: nn.Module) -> None:
    assert tensors_digest(small_network) == tensors_digest(copy.deepcopy(small_network))


def test_digest_sees_one_bit_of_one_tensor(small_network: nn.Module) -> None:
    before = tensors_digest(small_network)
    for tensor in [small_network.conv2.bias, small_network.bn1.running_mean]:
        changed = copy.deepcopy(tensor.data)
        with torch.no_grad():
            tensor[0] = torch.nextafter(tensor[0], torch.tensor(torch.inf))
        assert tensors_digest(small_network) != before
        tensor.data.copy_(changed)
    assert tensors_digest(small_network) == before


def test_digest_sees_names_and_types(small_network: nn.Module) -> None:
    renamed = nn.Sequential(*small_network.children())
    assert tensors_digest(renamed) != tensors_digest(small_network)
    before = tensors_digest(small_network)
    assert tensors_digest(small_network.double()) != before


def test_only_random_weights_warn() -> None:
    random = WeightsRecord("random", "seed 4")
    assert "random (seed 4)" in (random.warning or "")
    assert random.as_dict()["warning"] == random.warning
    for kind in ("official", "file", "miniature", "given"):
        assert WeightsRecord(kind, "x").warning is None
