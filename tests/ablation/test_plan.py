from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from aisthesis.ablation.calls import run_ablation
from aisthesis.ablation.plan import ablation_plan
from aisthesis.errors import RequestError


def small(*layers: nn.Module, heads: int | None = None, net=None, width: int = 8) -> nn.Module:
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *layers)
    return net.Rating(trunk, width, heads).eval()


def pooled(*layers: nn.Module) -> tuple[nn.Module, ...]:
    return (*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_ways_and_words(net) -> None:
    x = torch.randn(2, 3, 8, 8)
    column = ablation_plan(small(*pooled(nn.BatchNorm2d(8), nn.ReLU()), net=net), "trunk.0", x)
    assert column.kind == "column"
    for word in ("trunk.0 (8 channels)", "trunk.1, trunk.2", "one pass", "column of heads.0.0"):
        assert word in str(column)
    block = ablation_plan(small(nn.ReLU(), nn.Flatten(), net=net, width=512), "trunk.0", x)
    assert block.kind == "block"
    assert "a block of 64 columns of heads.0.0" in block.describe()
    mixing = small(*pooled(nn.ReLU(), nn.Conv2d(8, 8, 3)), net=net)
    linear = ablation_plan(mixing, "trunk.0", x)
    assert linear.kind == "linear"
    assert "input plane of trunk.2" in str(linear)
    assert ablation_plan(small(*pooled(nn.GroupNorm(1, 8)), net=net), "trunk.0", x).kind == "mixing"
    assert 1 < column.passes < linear.passes


def test_plan_serves_batches_of_other_sizes_and_types(net) -> None:
    model = small(*pooled(nn.SiLU()), net=net, heads=3)
    plan = ablation_plan(model, "trunk.0", (2, 3, 8, 8))
    for shape in [(1, 3, 8, 8), (5, 3, 8, 8), (3, 3, 12, 6)]:
        x = torch.randn(shape)
        exact = net.zeroed_outputs(model, "trunk.0", x, range(8))
        found = plan(x)
        torch.testing.assert_close(found.removed.float(), exact)
        assert found.delta.shape == (shape[0], 8, 3)
        assert found.output.dtype == found.delta.dtype == torch.float64
        torch.testing.assert_close(found.activation, model.trunk[0](x))
    model.double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(plan(x).removed, net.zeroed_outputs(model, "trunk.0", x, range(8)))


def test_plan_follows_weights_that_change(net) -> None:
    model, x = small(*pooled(nn.ReLU()), net=net), torch.randn(2, 3, 8, 8)
    plan = ablation_plan(model, "trunk.0", x)
    plan(x)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.mul_(1.5)
    exact = net.zeroed_outputs(model, "trunk.0", x, range(8))
    torch.testing.assert_close(plan(x).removed.float(), exact)


def test_memory_bounds_do_not_change_the_result(net) -> None:
    model = small(*pooled(nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()), net=net)
    x = torch.randn(2, 3, 8, 8)
    plan = ablation_plan(model, "trunk.0", x)
    torch.testing.assert_close(plan(x, memory_bytes=1).delta, plan(x).delta)


class Deceived(nn.Module):
    """Code that takes another way when it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.conv(x).mean((2, 3))
        if isinstance(z, torch.Tensor):
            z = z * z.sum(1, keepdim=True)
        return self.head(z).squeeze(1)


def test_graph_that_differs_from_the_network_is_found_out(net) -> None:
    model, x = Deceived().eval(), torch.randn(2, 3, 4, 4)
    plan = ablation_plan(model, "conv", x)
    assert plan.kind == "rerun"
    assert "other values than the network" in str(plan)
    exact = net.zeroed_outputs(model, "conv", x, range(4))
    torch.testing.assert_close(plan(x).removed.float(), exact)


def test_layer_that_the_output_does_not_see_changes_nothing(net) -> None:
    class Aside(Deceived):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            return self.head(x.mean((2, 3)).repeat(1, 2)[:, :4]).squeeze(1) + 0 * y.shape[1]

    plan = ablation_plan(Aside().eval(), "conv", (2, 3, 4, 4))
    assert "does not depend" in str(plan)
    assert (plan(torch.randn(3, 3, 4, 4)).delta == torch.zeros(3, 4)).all()


def test_buffers_and_constants_are_read_when_the_plan_runs(net) -> None:
    class Scaled(Deceived):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.tensor(2.0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            factor = self.scale * 3 + torch.ones(1)
            return self.head((self.conv(x) * factor).mean((2, 3))).squeeze(1)

    model, x = Scaled().eval(), torch.randn(2, 3, 4, 4)
    plan = ablation_plan(model, "conv", x)
    assert plan.kind == "column"
    model.scale.fill_(-1)
    exact = net.zeroed_outputs(model, "conv", x, range(4))
    torch.testing.assert_close(plan(x).removed.float(), exact)


def test_default_arguments_keep_their_values(net) -> None:
    class Optional(Deceived):
        def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            z = self.conv(x)
            z = z.mean((2, 3)) if mask is None else (z * mask).sum((2, 3))
            return self.head(z).squeeze(1)

    model, x = Optional().eval(), torch.randn(2, 3, 4, 4)
    assert ablation_plan(model, "conv", x).kind == "column"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(net, dtype: torch.dtype) -> None:
    model = small(*pooled(nn.BatchNorm2d(8), nn.ReLU()), net=net)
    x = torch.randn(2, 3, 8, 8)
    exact = run_ablation(model, "trunk.0", x).delta
    model.to(dtype)
    plan = ablation_plan(model, "trunk.0", x.to(dtype))
    assert plan.kind == "column"
    result = plan(x.to(dtype))
    assert result.activation.dtype == dtype
    torch.testing.assert_close(result.delta, exact, rtol=0.1, atol=0.02)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 1)), "one row|shape"),
        (torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None), "Dict"),
    ],
)
def test_network_that_does_not_rate_is_refused(model: nn.Module, words: str) -> None:
    layer = next(name for name, m in model.named_modules() if isinstance(m, nn.Conv2d))
    with pytest.raises(RequestError, match=words):
        ablation_plan(model, layer, (1, 3, 32, 32))


def test_unfit_requests_are_refused(net) -> None:
    model, x = small(*pooled(nn.ReLU()), net=net), torch.randn(2, 3, 8, 8)
    plan = ablation_plan(model, "trunk.0", x)
    with pytest.raises(RequestError, match="'zero' or 'mean'"):
        plan(x, replace="noise")
    with pytest.raises(RequestError, match="memory_bytes above 0"):
        plan(x, memory_bytes=0)
    with pytest.raises(RequestError, match="batch of images"):
        plan(x[:0])
    with pytest.raises(RequestError, match="another network"):
        run_ablation(small(*pooled(nn.ReLU()), net=net), "trunk.0", x, plan=plan)
    with pytest.raises(RequestError, match=r"did you mean"):
        ablation_plan(model, "trunk.9", x)
