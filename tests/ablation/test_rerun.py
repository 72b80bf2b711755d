"""Networks whose graph cannot be had."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.ablation.calls import run_ablation
from aisthesis.ablation.plan import ablation_plan
from aisthesis.errors import RequestError


class Looking(nn.Module):
    """Control flow that depends on the data, before, at or after the layer."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.calls = where, 0
        self.early = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
        self.stem = Counting()
        self.layer = nn.Conv2d(4, 5, 3)
        self.late = nn.Conv2d(5, 5, 3)
        self.head = nn.Linear(5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(self.early(x))
        if self.where == "before" and y.mean() > 0.05:
            y = y * 2
        y = torch.relu(self.layer(y))
        if self.where == "after":
            for _ in range(int(y.mean() * 10) % 3 + 1):
                y = y + 0.1 * self.late(y)[:, :, :1, :1]
        return self.head(y.mean((2, 3))).squeeze(1)


class Counting(nn.Module):
    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Counting.calls += 1
        return x + 1


class LookingInside(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.mean() > 0 else -x


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("replace", ["zero", "mean"])
def test_data_dependent_control_flow(net, where: str, replace: str) -> None:
    model, x = Looking(where).eval(), torch.randn(3, 3, 10, 10)
    plan = ablation_plan(model, "layer", x)
    assert plan.kind == "rerun"
    assert "torch.fx cannot follow the network's code" in str(plan)
    result = plan(x, replace=replace)
    exact = net.zeroed_outputs(model, "layer", x, range(5), replace=replace)
    torch.testing.assert_close(result.removed.float(), exact)
    torch.testing.assert_close(result.activation, model.layer(model.stem(model.early(x)).mul(
        2 if where == "before" and model.stem(model.early(x)).mean() > 0.05 else 1)))  # fmt: skip
    groups = [[0, 1], [2, 3, 4]]
    torch.testing.assert_close(
        plan(x, groups=groups, replace=replace).removed.float(),
        net.zeroed_outputs(model, "layer", x, groups, replace=replace),
    )


def test_modules_before_the_layer_do_not_run_again() -> None:
    model, x = Looking("after").eval(), torch.randn(2, 3, 10, 10)
    plan = ablation_plan(model, "layer", x)
    assert "2 modules before the layer" in str(plan)
    Counting.calls = 0
    plan(x)
    assert Counting.calls < 5  # the first run and the check of the replay, not one per channel
    assert plan.passes < 6


def test_untraceable_module_before_the_layer_does_not_matter(net) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), LookingInside(), nn.Conv2d(4, 4, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0),
    ).eval()  # fmt: skip
    x = torch.randn(2, 3, 5, 5)
    plan = ablation_plan(model, "2", x)
    assert plan.kind == "column"
    torch.testing.assert_close(plan(x).removed.float(), net.zeroed_outputs(model, "2", x, range(4)))
    assert ablation_plan(model, "0", x).kind == "rerun"


def test_layer_called_twice_loses_its_channel_at_both_calls(net) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv, self.head = (
                nn.Conv2d(3, 4, 1),
                nn.Conv2d(4, 4, 1),
                nn.Linear(4, 1),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(self.conv(self.stem(x)).relu()).mean((2, 3))).squeeze(1)

    model, x = Twice().eval(), torch.randn(2, 3, 5, 5)
    plan = ablation_plan(model, "conv", x)
    assert "2 times" in str(plan)
    torch.testing.assert_close(
        plan(x).removed.float(), net.zeroed_outputs(model, "conv", x, range(4))
    )


def test_layer_called_with_different_widths_is_refused() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.relu = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.b(self.relu(self.a(x)))).sum((1, 2, 3))

    with pytest.raises(RequestError, match="different numbers of channels"):
        run_ablation(Shared(), "relu", torch.randn(2, 3, 5, 5))


def test_layer_that_is_never_called_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 1), nn.Flatten(0))
    model[1].spare = nn.Linear(2, 2)
    with pytest.raises(RequestError, match="never calls the layer"):
        run_ablation(model, "1.spare", torch.randn(2, 3, 4, 4))


def test_layer_that_gives_a_tuple_is_refused() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, x, x)[0].sum((1, 2))

    with pytest.raises(RequestError, match="a layer inside it"):
        run_ablation(Attention(), "attention", torch.randn(2, 3, 4))


def test_small_memory_runs_more_again_but_gives_the_same(net) -> None:
    model, x = Looking("after").eval(), torch.randn(2, 3, 10, 10)
    plan = ablation_plan(model, "layer", x)
    torch.testing.assert_close(plan(x, memory_bytes=1).delta, plan(x).delta)
