"""Which ownership is proven, operation by operation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aisthesis.ablation.analysis import analyse
from aisthesis.ablation.modes import evaluation
from aisthesis.ablation.owners import MIXED, Owned
from aisthesis.ablation.tracing import trace
from aisthesis.ablation.upstream import run_upstream

C = 4


class After(nn.Module):
    """The layer, one operation, and a sum over everything."""

    def __init__(self, operation) -> None:
        super().__init__()
        self.layer, self.operation = nn.Conv2d(3, C, 1), operation
        self.module = operation if isinstance(operation, nn.Module) else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        return self.operation(y).flatten(1).sum(1)


def state_after(operation):
    model = After(operation)
    with evaluation(model):
        traced = trace(model, model.layer)
        assert not isinstance(traced, str), traced
        upstream = run_upstream(traced, torch.randn(2, 3, 6, 6), watch=True)
        analysis = analyse(traced, model.layer, upstream, 1)
    before_sum = [n for n in traced.after if n.op != "output"][-3]
    return analysis.states[before_sum]


APART = {
    "flatten": (lambda x: x.flatten(1), 1, np.repeat(range(C), 36)),
    "channel last": (lambda x: x.permute(0, 2, 3, 1), 3, range(C)),
    "channel last, flattened": (lambda x: x.permute(0, 2, 3, 1).flatten(1), 1, [*range(C)] * 36),
    "tokens": (lambda x: x.flatten(2).transpose(1, 2), 2, range(C)),
    "view by own size": (lambda x: x.view(x.size(0), x.shape[1], -1), 1, range(C)),
    "cat": (lambda x: torch.cat([x, x[:, :1], x], 1), 1, [*range(C), 0, *range(C)]),
    "cat with others": (lambda x: torch.cat([torch.ones(2, 1, 6, 6), x], 1), 1, [-1, *range(C)]),
    "class token": (
        lambda x: torch.cat([torch.ones(2, 1, C), x.flatten(2).transpose(1, 2)], 1),
        2,
        range(C),
    ),
    "padded channels": (lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)), 1, [-1, *range(C), -1, -1]),
    "padded pixels": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), 1, range(C)),
    "shuffle": (nn.ChannelShuffle(2), 1, [0, 2, 1, 3]),
    "pixel shuffle": (nn.PixelUnshuffle(2), 1, np.repeat(range(C), 4)),
    "last channels": (lambda x: x[:, 2:], 1, [2, 3]),
    "one pixel": (lambda x: x[:, :, 0, 0], 1, range(C)),
    "images and channels in one": (lambda x: x.flatten(0, 1), 0, [*range(C)] * 2),
    "sum over pixels": (lambda x: x.sum((2, 3)), 1, range(C)),
    "mean over rows": (lambda x: x.mean(dim=2, keepdim=True), 1, range(C)),
    "deviation": (lambda x: (x - x.mean((2, 3), True)) / x.std((2, 3), keepdim=True), 1, range(C)),
    "depthwise, doubled": (nn.Conv2d(C, 2 * C, 3, groups=C), 1, np.repeat(range(C), 2)),
    "linear over columns": (nn.Linear(6, 2), 1, range(C)),
    "norm over pixels": (nn.LayerNorm((6, 6)), 1, range(C)),
    "norm of each": (nn.GroupNorm(C, C), 1, range(C)),
    "softmax over pixels": (lambda x: F.softmax(x.flatten(2), dim=-1), 1, range(C)),
    "image statistics": (nn.BatchNorm2d(C, track_running_stats=False), 1, range(C)),
    "pool of a pool": (lambda x: F.max_pool2d(F.avg_pool2d(x, 2), 2), 1, range(C)),
    "own product": (lambda x: x * torch.sigmoid(x) + 2 * x - 1, 1, range(C)),
    "scaled": (lambda x: 3 / (x.abs() + 1), 1, range(C)),
}
MIXING = {
    "convolution": nn.Conv2d(C, C, 1),
    "grouped convolution": nn.Conv2d(C, C, 1, groups=2),
    "linear over channels": lambda x: F.linear(x.mean((2, 3)), torch.ones(2, C)),
    "norm over channels": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (C,)),
    "norm over everything": nn.GroupNorm(1, C),
    "norm in pairs": nn.GroupNorm(2, C),
    "softmax over channels": lambda x: x.softmax(1),
    "legacy softmax": nn.Softmax2d(),
    "mean over channels": lambda x: x.mean(1, keepdim=True),
    "maximum over channels": lambda x: x.amax((1, 2)),
    "shifted channels": lambda x: x + x.roll(1, dims=1),
    "other channels' gate": lambda x: x * x.flip(1),
    "transposed product": lambda x: x.mean((2, 3)) @ x.mean((2, 3)).t(),
    "matrix by itself": lambda x: F.linear(x.mean((2, 3)), x.mean((2, 3))),
    "broadcast across": lambda x: x.mean((2, 3))[:, :, None] + x.mean((2, 3))[:, None, :],
    "pool over channels": lambda x: F.avg_pool3d(x.unsqueeze(1), (2, 1, 1)).squeeze(1),
    "unknown function": lambda x: torch.cumsum(x, 2),
    "unit length over channels": lambda x: nn.functional.normalize(x, dim=1),
    "sorted": lambda x: torch.sort(x, dim=1).values,
    "index by value": lambda x: torch.take_along_dim(x, x.argmax(1, keepdim=True), 1),
}


@pytest.mark.parametrize("name", APART)
def test_owners_are_followed(name: str) -> None:
    operation, axis, owner = APART[name]
    state = state_after(operation)
    assert isinstance(state, Owned)
    assert state.axis == axis
    np.testing.assert_array_equal(state.owner, list(owner))


@pytest.mark.parametrize("name", MIXING)
def test_what_is_not_proven_is_mixed(name: str) -> None:
    assert state_after(MIXING[name]) is MIXED


class Renamed(nn.ReLU):
    """A subclass that computes something else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.sum(1, keepdim=True)


def test_subclass_of_a_known_module_is_not_taken_for_it(net) -> None:
    model = After(Renamed())
    Renamed.__module__ = "torch.nn.modules.activation"  # so that the tracer calls it as a whole
    try:
        assert state_after(Renamed()) is MIXED
    finally:
        Renamed.__module__ = __name__
    assert model(torch.randn(2, 3, 6, 6)).shape == (2,)


def test_module_with_hooks_is_not_taken_for_what_it_was() -> None:
    relu = nn.ReLU()
    assert isinstance(state_after(relu), Owned)
    handle = relu.register_forward_hook(lambda _m, _i, out: out + out.sum(1, keepdim=True))
    assert state_after(relu) is MIXED
    handle.remove()
    relu.forward = lambda x: x.cumsum(1)
    assert state_after(relu) is MIXED
