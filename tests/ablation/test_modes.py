"""The network is given back as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from aisthesis.ablation.calls import run_ablation
from aisthesis.ablation.plan import ablation_plan


def snapshot(model: nn.Module) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, module in model.named_modules():
        kept[name] = (
            module.training,
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
            sorted(vars(module)),
            id(type(module).forward),
            {key: id(value) for key, value in vars(module).items() if key != "training"},
        )
    for name, tensor in model.state_dict(keep_vars=True).items():
        kept[f"tensor {name}"] = (
            id(tensor), tensor.data_ptr(), tensor._version, tensor.requires_grad,
            tensor.grad is None, hash(tensor.detach().numpy().tobytes()),
        )  # fmt: skip
    kept["global hooks"] = len(nn.modules.module._global_forward_hooks)
    kept["gradients"] = torch.is_grad_enabled()
    return kept


class Remembering(nn.Module):
    """Sets attributes on itself while it runs."""

    def __init__(self, fail: bool = False, look: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.tail, self.drop = nn.Conv2d(4, 4, 1), nn.Dropout(0.5)
        self.head = nn.Linear(4, 1)
        self.last: torch.Tensor | None = None
        self.fail, self.look = fail, look

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        if self.look and y.sum() < 0:
            y = -y
        self.last = y
        z = self.drop(self.tail(y).relu().mean((2, 3)))
        if self.fail:
            raise OSError("the network's own fault")
        return self.head(z).squeeze(1)


def mixed_mode(model: nn.Module) -> nn.Module:
    model.train()
    model.conv[1].eval()
    model.head.weight.requires_grad_(False)
    return model


@pytest.mark.parametrize("look", [False, True])
def test_network_is_given_back_as_it_was(look: bool) -> None:
    model = mixed_mode(Remembering(look=look))
    before = snapshot(model)
    x = torch.randn(2, 3, 6, 6)
    kept = x.clone()
    plan = ablation_plan(model, "conv.0", x)
    assert (plan.kind == "rerun") == look
    assert snapshot(model) == before
    plan(x)
    plan(x, groups=[[0, 1]], replace="mean")
    assert snapshot(model) == before
    assert torch.equal(x, kept)


@pytest.mark.parametrize("look", [False, True])
def test_network_is_given_back_after_an_error(look: bool) -> None:
    model = mixed_mode(Remembering(fail=True, look=look))
    before = snapshot(model)
    with pytest.raises(OSError, match="own fault"):
        run_ablation(model, "conv.0", torch.randn(2, 3, 6, 6))
    assert snapshot(model) == before


def test_network_is_given_back_after_an_error_in_use() -> None:
    for look in (False, True):
        model = mixed_mode(Remembering(look=look))
        plan = ablation_plan(model, "conv.0", (2, 3, 6, 6))
        before = snapshot(model)
        with pytest.raises(RuntimeError):
            plan(torch.randn(2, 5, 6, 6))
        assert snapshot(model) == before


def test_evaluation_mode_is_used_whatever_mode_came() -> None:
    model = Remembering()
    x = torch.randn(4, 3, 6, 6)
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(x)
    found = run_ablation(model.train(), "conv.0", x).output
    torch.testing.assert_close(found.float(), expected)


def test_input_that_the_network_overwrites_stays_as_it_was(net) -> None:
    model = nn.Sequential(
        nn.ReLU(inplace=True), nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(64, 1), nn.Flatten(0),
    ).eval()  # fmt: skip
    x = torch.randn(2, 3, 4, 4)
    kept = x.clone()
    result = run_ablation(model, "1", x)
    assert torch.equal(x, kept)
    assert (result.activation < 0).any()  # the layer's own output, before the ReLU overwrote it
    exact = net.zeroed_outputs(model, "1", x.clone(), range(4))
    torch.testing.assert_close(result.removed.float(), exact)
