from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.ablation.calls import ablate, retained_output, run_ablation
from aisthesis.ablation.plan import ablation_plan


@pytest.fixture
def model(net) -> nn.Module:
    trunk = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return net.Rating(trunk, 6, 2).eval()


def test_ablate_gives_the_outputs_without_each_channel(net, model) -> None:
    x = torch.randn(3, 3, 8, 8)
    for layer, channels in (("trunk.0", 8), ("trunk.2", 6)):
        exact = net.zeroed_outputs(model, layer, x, range(channels))
        found = ablate(model, layer, x)
        torch.testing.assert_close(found.float(), exact)
        plan = ablation_plan(model, layer, x)
        torch.testing.assert_close(ablate(model, layer, x, plan=plan), found)


def test_groups_may_overlap_and_be_empty(net, model) -> None:
    x = torch.randn(2, 3, 8, 8)
    groups = [[0, 3], [], [3, 4, 5], list(range(8))]
    found = ablate(model, "trunk.0", x, groups=groups)
    torch.testing.assert_close(found.float(), net.zeroed_outputs(model, "trunk.0", x, groups))
    torch.testing.assert_close(found[:, 1].float(), model(x).detach())
    assert ablate(model, "trunk.0", x, groups=[]).shape == (2, 0, 2)


def test_singletons_as_groups_are_the_channels(model) -> None:
    x = torch.randn(2, 3, 8, 8)
    for layer, channels in (("trunk.0", 8), ("trunk.2", 6)):
        one_by_one = run_ablation(model, layer, x)
        grouped = run_ablation(model, layer, x, groups=[[c] for c in range(channels)])
        torch.testing.assert_close(one_by_one.delta, grouped.delta, rtol=1e-5, atol=1e-7)


def test_retained_set_is_the_complement(net, model) -> None:
    x = torch.randn(2, 3, 8, 8)
    kept = retained_output(model, "trunk.0", x, [1, 2, 6])
    exact = net.zeroed_outputs(model, "trunk.0", x, [[0, 3, 4, 5, 7]])
    torch.testing.assert_close(kept.float(), exact[:, 0])
    plan = ablation_plan(model, "trunk.0", x)
    many = plan.retain(x, [[1, 2, 6], range(8)])
    torch.testing.assert_close(many[:, 0], kept)
    torch.testing.assert_close(many[:, 1].float(), model(x).detach())
    torch.testing.assert_close(
        retained_output(model, "trunk.0", x, torch.tensor([6, 1, 2]), plan=plan), kept
    )


def test_mean_replacement(net, model) -> None:
    x = torch.randn(2, 3, 8, 8)
    exact = net.zeroed_outputs(model, "trunk.0", x, range(8), replace="mean")
    torch.testing.assert_close(ablate(model, "trunk.0", x, replace="mean").float(), exact)
    # a mean over positions is what the pool takes anyway
    assert run_ablation(model, "trunk.2", x, replace="mean").delta.abs().max() < 1e-6


def test_result_object(model) -> None:
    x = torch.randn(2, 3, 8, 8)
    result = run_ablation(model, "trunk.0", x)
    torch.testing.assert_close(result.removed - result.output[:, None], result.delta)
    torch.testing.assert_close(result.activation, model.trunk[0](x).detach())
    assert result.channels_first is not None
    assert result.channels_first.shape == (2, 8, 6, 6)


def test_results_do_not_ask_for_gradients(model) -> None:
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    result = run_ablation(model, "trunk.0", x)
    assert not any(t.requires_grad for t in (result.output, result.delta, result.activation))


def test_works_in_inference_mode(net, model) -> None:
    exact = net.zeroed_outputs(model, "trunk.0", torch.ones(2, 3, 8, 8), range(8))
    with torch.inference_mode():
        found = ablate(model, "trunk.0", torch.ones(2, 3, 8, 8))
    torch.testing.assert_close(found.float(), exact)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_cuda_results_stay_on_the_device(model, dtype) -> None:
    x = torch.randn(2, 3, 8, 8)
    exact = run_ablation(model, "trunk.0", x).delta
    model.to("cuda", dtype)
    result = run_ablation(model, "trunk.0", x.to("cuda", dtype))
    assert {t.device.type for t in (result.output, result.delta, result.activation)} == {"cuda"}
    rough = {"rtol": 0.1, "atol": 0.02} if dtype is torch.float16 else {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(result.delta.cpu(), exact, **rough)
