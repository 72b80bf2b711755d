from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aisthesis.backbones.trunk import FrozenTrunk
from aisthesis.errors import RequestError
from aisthesis.faithfulness.randomisation import (
    CASCADE_COLUMNS,
    cascade,
    cascade_similarity,
    layers_by_depth,
)
from aisthesis.heads import MLPHead, RatingModel


class Token(nn.Module):
    """Owns a parameter and has no way of its own to reset it."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.linspace(1, 3, 4).reshape(1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shift


def network(seed: int = 0) -> RatingModel:
    torch.manual_seed(seed)
    trunk = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        Token(),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    trunk[1].running_mean.uniform_(-1, 1)
    trunk[1].running_var.uniform_(0.5, 2)
    head = MLPHead(5, 3)
    head.embedding_mean.uniform_(-1, 1)
    return RatingModel(FrozenTrunk(trunk), head)


def images(n: int = 4) -> Tensor:
    return torch.randn(n, 3, 10, 10, generator=torch.Generator().manual_seed(1))


def digest(model: nn.Module) -> str:
    found = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return found.hexdigest()


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def gradient_map(model: nn.Module) -> Any:
    def explain(batch: Tensor) -> Tensor:
        with torch.enable_grad():
            batch = batch.clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(model(batch).sum(), batch)
        return (gradient * batch).sum(1)

    return explain


ORDER = [
    "head.output",
    "head.hidden",
    "trunk.module.4",
    "trunk.module.3",
    "trunk.module.1",
    "trunk.module.0",
]


def test_layers_come_from_the_output_down() -> None:
    assert layers_by_depth(network(), images()) == ORDER


def test_each_stage_changes_its_layers_on_top_of_those_before() -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    with cascade(model, images()) as stages:
        for number, layers in enumerate(stages):
            assert layers == (ORDER[number],)
            now = dict(model.named_parameters())
            changed = {n.rpartition(".")[0] for n in now if not torch.equal(now[n], before[n])}
            # a fresh BatchNorm has the weight 1 and the bias 0 that ours started with
            assert changed == set(ORDER[: number + 1]) - {"trunk.module.1"}


@pytest.mark.parametrize("fails", [False, True])
def test_no_byte_mode_or_hook_is_left_changed(fails: bool) -> None:
    model = network()
    model.head.train()
    before, n_hooks = digest(model), hooks(model)
    flags = [m.training for m in model.modules()]
    state = torch.get_rng_state()
    try:
        with cascade(model, images(), seed=3) as stages:
            for number, _ in enumerate(stages):
                assert digest(model) != before
                if fails and number == 2:
                    raise KeyError("in the middle")
    except KeyError:
        assert fails
    assert digest(model) == before
    assert hooks(model) == n_hooks
    assert [m.training for m in model.modules()] == flags
    assert torch.equal(torch.get_rng_state(), state)


def test_new_weights_are_seeded() -> None:
    def after(seed: int) -> str:
        model = network()
        with cascade(model, images(), seed=seed) as stages:
            list(stages)
            return digest(model)

    assert after(1) == after(1) != after(2)


def test_batch_norm_takes_the_statistics_of_the_sample() -> None:
    model = network()
    norm = model.trunk.module[1]
    seen: list[Tensor] = []
    with cascade(model, images()) as stages:
        list(stages)
        handle = norm.register_forward_hook(lambda _m, _i, output: seen.append(output))
        model(images())
        handle.remove()
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[0].var((0, 2, 3)), torch.ones(4), atol=1e-2, rtol=0)


def test_a_parameter_without_a_reset_keeps_its_mean_and_spread() -> None:
    torch.manual_seed(0)
    layer = nn.Module()
    layer.weight = nn.Parameter(torch.randn(40_000) * 0.3 + 2)
    layer.forward = lambda x: x * layer.weight.mean()  # type: ignore[method-assign]
    with cascade(layer, torch.ones(1)) as stages:
        next(stages)
        assert float(layer.weight.mean()) == pytest.approx(2, abs=0.01)
        assert float(layer.weight.std()) == pytest.approx(0.3, abs=0.01)


def test_groups_hold_every_layer_once() -> None:
    with cascade(network(), images(), n_stages=4) as stages:
        groups = list(stages)
    assert [len(group) for group in groups] == [2, 2, 1, 1]
    assert [name for group in groups for name in group] == ORDER


def test_a_map_of_the_network_falls_and_a_map_of_the_image_stays() -> None:
    model = network()
    batch = images(12)
    of_network = cascade_similarity(model, gradient_map(model), batch, size_px=16)
    of_image = cascade_similarity(model, lambda x: x.mean(1), batch, size_px=16)
    assert list(of_network.columns) == list(CASCADE_COLUMNS)
    assert sorted(set(of_network["stage"])) == list(range(len(ORDER) + 1))
    start = of_network[of_network["stage"] == 0]
    np.testing.assert_allclose(start["mean"], 1, atol=1e-5)
    np.testing.assert_allclose(of_image["mean"], 1, atol=1e-5)
    end = of_network[of_network["stage"] == len(ORDER)].set_index("metric")
    assert end.loc["spearman", "mean"] < 0.6
    assert end.loc["cosine", "high"] < 0.8


def test_random_maps_have_no_similarity_at_any_stage() -> None:
    rng = np.random.default_rng(0)
    table = cascade_similarity(
        network(),
        lambda x: rng.normal(size=(len(x), 12, 12)),
        images(30),
        metrics=["cosine", "spearman"],
        n_stages=2,
        size_px=24,
    )
    assert (table["mean"].abs() < 0.1).all()


def test_flat_maps_are_counted() -> None:
    table = cascade_similarity(
        network(),
        lambda x: x[:, 0] * torch.tensor([0.0, 1.0, 1.0, 1.0])[:, None, None],
        images(),
        metrics=["cosine"],
        n_stages=1,
    )
    assert table["n"].tolist() == [3, 3]
    assert table["n_undefined"].tolist() == [1, 1]


@pytest.mark.parametrize("n_stages", [0, 7])
def test_an_unfit_number_of_stages_is_refused(n_stages: int) -> None:
    with (
        pytest.raises(RequestError, match="expected 1 to 6 stages"),
        cascade(network(), images(), n_stages=n_stages),
    ):
        pass


def test_a_network_without_parameters_is_refused() -> None:
    with (
        pytest.raises(RequestError, match="network with parameters"),
        cascade(nn.Flatten(), images()),
    ):
        pass
