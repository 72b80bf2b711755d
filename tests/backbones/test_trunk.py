from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aisthesis.backbones import FrozenTrunk, tensors_digest
from aisthesis.errors import RequestError


def test_statistics_do_not_move_even_after_train(small_network: nn.Module, images: Tensor) -> None:
    trunk = FrozenTrunk(small_network)
    before = tensors_digest(trunk)
    trunk.train()
    small_network.train()  # behind the trunk's back
    small_network.bn1.train()
    trunk(images)
    assert tensors_digest(trunk) == before
    assert not any(part.training for part in trunk.modules())


def test_the_bare_network_would_have_moved(small_network: nn.Module, images: Tensor) -> None:
    before = tensors_digest(small_network)
    small_network.train()(images)
    assert tensors_digest(small_network) != before


def test_no_parameter_takes_a_gradient(small_network: nn.Module, images: Tensor) -> None:
    trunk = FrozenTrunk(small_network)
    head = nn.Linear(6, 1)
    head(trunk(images)).sum().backward()
    assert head.weight.grad is not None
    assert all(parameter.grad is None for parameter in trunk.parameters())


def test_gradients_still_pass_through_to_the_images(
    small_network: nn.Module, images: Tensor
) -> None:
    images.requires_grad_()
    FrozenTrunk(small_network)(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_pool_is_the_mean_over_places(small_network: nn.Module, images: Tensor) -> None:
    maps = small_network[:-2].eval()
    expected = torch.stack([image.flatten(1).mean(1) for image in maps(images)])
    torch.testing.assert_close(FrozenTrunk(maps, "pool")(images), expected)


def test_pool_refuses_what_is_no_map(small_network: nn.Module, images: Tensor) -> None:
    with pytest.raises(RequestError, match=r"needs a network that gives maps.*\(4, 6\)"):
        FrozenTrunk(small_network, "pool")(images)


def test_a_module_as_embed_is_frozen_too(small_network: nn.Module, images: Tensor) -> None:
    trunk = FrozenTrunk(small_network, nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.9)).train())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert torch.equal(trunk(images), trunk(images))


def test_a_pooled_trunk_can_be_traced_so_that_ablation_finds_the_cheap_way() -> None:
    trunk = FrozenTrunk(nn.Conv2d(3, 4, 3), embed="pool")
    graph = torch.fx.symbolic_trace(trunk)
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(graph(images), trunk(images))
