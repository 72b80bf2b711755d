"""Places removed in one go against the network run once for every place, in float64."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

import aisthesis as ais
from aisthesis.ablation.places.both import remove_both
from aisthesis.ablation.places.execution import PlaceExecution
from aisthesis.errors import RequestError
from aisthesis.importance.scores import evidence_scores, place_scores

_SPEC = importlib.util.spec_from_file_location(
    "random_networks", Path(__file__).parent / "test_random_networks.py"
)
networks = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = networks
_SPEC.loader.exec_module(networks)

PX = 6


def brute_force(net, model, layer, x, plan, replace="zero", lay_out=lambda out: out):
    """Change of the output (N, h, w, ...) by hooks, one run for every place."""
    windows = net.square_windows(plan.shape, plan.window)
    removed = net.without_places(model, layer, x, windows, lay_out, replace)
    with torch.no_grad():
        return (removed - model(x).unsqueeze(1)).unflatten(1, plan.shape)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_network_agrees_with_brute_force(net, data) -> None:
    blocks = sorted(networks.PLAIN | networks.BLOCKS)
    names = data.draw(st.lists(st.sampled_from(blocks), min_size=1, max_size=4))
    tail, outputs = data.draw(st.sampled_from(networks.TAILS)), data.draw(st.sampled_from([0, 2]))
    seed, window = data.draw(st.integers(0, 2**16)), data.draw(st.sampled_from([1, 3, 5]))
    replace = data.draw(st.sampled_from(["zero", "zero", "mean"]))
    model = networks.randomised(networks.RandomNet(names, tail, outputs), seed)
    position = data.draw(st.integers(-1, len(names) - 1))
    layer = "stem" if position < 0 else f"blocks.{position}"
    images = data.draw(st.sampled_from([1, 2]))
    x = torch.randn(images, 3, PX, PX, dtype=torch.float64, generator=torch.manual_seed(seed))
    try:
        with torch.no_grad():
            model(x)
    except (ValueError, RuntimeError):  # too small for a reflection or for batch statistics
        assume(False)
    plan = ais.place_plan(model, layer, x, window=window)
    exact = brute_force(net, model, layer, x, plan, replace)
    found = plan(x, replace=replace)
    torch.testing.assert_close(found.delta, exact, rtol=1e-10, atol=1e-10, msg=str(plan))


def test_every_building_block_agrees_without_the_check_of_the_plan(net) -> None:
    """Each operation right after the layer; nothing falls back, so every rule must be right."""
    kinds = {}
    for name in networks.PLAIN | networks.BLOCKS:
        model = networks.randomised(networks.RandomNet(["conv1", name, "gelu"], "mean", 0), 1)
        x = torch.randn(2, 3, PX, PX, dtype=torch.float64)
        plan = ais.place_plan(model, "blocks.0", x, window=3, verify=name != "Looking")
        exact = brute_force(net, model, "blocks.0", x, plan)
        torch.testing.assert_close(plan(x).delta, exact, rtol=1e-10, atol=1e-10, msg=str(plan))
        assert exact.abs().max() > 1e-6, name
        kinds[name] = plan.kind
    assert {name for name, kind in kinds.items() if kind == "pooled"} >= {
        "conv1", "batch_norm", "relu", "relu_in_place", "silu_in_place", "gelu", "hardswish",
        "prelu", "dropout", "shuffle", "Identity", "Halves", "LastAxis",
    }  # fmt: skip
    assert kinds["Tokens"] == kinds["softmax2d"] == kinds["instance_norm"] == "mixing"
    assert kinds["OverwritingShortcut"] == kinds["Aliased"] == kinds["Looking"] == "rerun"


class Flattened(nn.Module):
    """A pool or none, flattened into a linear layer."""

    def __init__(self, pool: nn.Module, px: int) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 4, 3, padding=1), pool
        cells = pool(torch.zeros(1, 4, px, px)).numel()
        self.linear, self.head = nn.Linear(cells, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = torch.flatten(self.pool(self.conv(x).relu()), 1)
        return self.head(self.linear(z).relu())


def test_a_flattening_gives_blocks_of_columns(net) -> None:
    model, x = Flattened(nn.Identity(), PX).double().eval(), torch.randn(2, 3, PX, PX).double()
    for window in (1, 3):
        plan = ais.place_plan(model, "conv", x, window=window)
        assert plan.kind == "block"
        assert "each place is a block of columns of linear" in str(plan)
        exact = brute_force(net, model, "conv", x, plan)
        torch.testing.assert_close(plan(x).delta, exact, rtol=1e-10, atol=1e-12)


class Beside(nn.Module):
    """Channels of a branch that the layer is no part of stand beside its own, as in SqueezeNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 3), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = torch.cat([self.other(x).relu(), self.conv(x).relu()], 1)
        return self.head(nn.functional.adaptive_avg_pool2d(z, 1).flatten(1))


def test_channels_of_another_branch_do_not_keep_a_pool_from_being_a_sum(net) -> None:
    model, x = Beside().double().eval(), torch.randn(2, 3, PX, PX).double()
    for window in (1, 3):
        plan = ais.place_plan(model, "conv", x, window=window)
        assert plan.kind == "pooled"
        exact = brute_force(net, model, "conv", x, plan)
        torch.testing.assert_close(plan(x).delta, exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_columns_gathered_for_some_outputs_at_a_time_give_them_all(
    net, monkeypatch, at_once
) -> None:
    monkeypatch.setattr("aisthesis.ablation.places.meetings._OUTPUTS_AT_ONCE", at_once)
    model, x = Flattened(nn.MaxPool2d(2), PX).double().eval(), torch.randn(2, 3, PX, PX).double()
    plan = ais.place_plan(model, "conv", x, window=3)
    assert plan.kind == "local"
    assert "each cell of a window is a block of columns of linear" in str(plan)
    exact = brute_force(net, model, "conv", x, plan)
    torch.testing.assert_close(plan(x).delta, exact, rtol=1e-10, atol=1e-12)
    with torch.no_grad():  # the plan reads the weights anew
        model.linear.weight.data.mul_(2)
    exact = brute_force(net, model, "conv", x, plan)
    torch.testing.assert_close(plan(x).delta, exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("after", [nn.ReLU, lambda: nn.Conv2d(4, 4, 3, padding=1)])
def test_both_at_once_are_each_alone_with_one_pass_before_the_layer(net, after, verify) -> None:
    model, x = Flattened(after(), PX).double().eval(), torch.randn(3, 3, PX, PX).double()
    channels = ais.ablation_plan(model, "conv", x)
    places = ais.place_plan(model, "conv", x, verify=verify, beside=channels)
    apart = ais.place_plan(model, "conv", x)
    assert str(places) == str(apart)
    calls: list[int] = []
    with torch.no_grad():
        for images in (x, x[:1]):
            exact, expected = channels(images), apart(images, replace="mean")
            hook = model.conv.register_forward_hook(lambda *_: calls.append(1))
            both = remove_both(channels, places, images, replace="mean")
            hook.remove()
            torch.testing.assert_close(both[0].removed, exact.removed, rtol=0, atol=0)
            torch.testing.assert_close(both[1].removed, expected.removed, rtol=0, atol=0)
    assert len(calls) == 2
    first, second = remove_both(channels, apart, x)  # plans that share nothing
    torch.testing.assert_close(first.removed, channels(x).removed)
    torch.testing.assert_close(second.removed, apart(x).removed)


@pytest.mark.parametrize("verified_beside", [True, False])
def test_a_wrong_way_is_found_beside_a_plan_for_channels(net, monkeypatch, verified_beside) -> None:
    model, x = Flattened(nn.ReLU(), PX).eval(), torch.randn(3, 3, PX, PX)
    channels = ais.ablation_plan(model, "conv", x, verify=verified_beside)
    right = PlaceExecution.changed_by
    monkeypatch.setattr(PlaceExecution, "changed_by", lambda *args: right(*args) * 1.01)
    assert ais.place_plan(model, "conv", x, beside=channels).kind == "rerun"
    monkeypatch.undo()
    assert ais.place_plan(model, "conv", x, beside=channels).kind != "rerun"


def test_auto_takes_windows_only_where_a_neighbour_stands_in() -> None:
    x = torch.randn(2, 3, PX, PX)
    reaching = {
        "a max pool": nn.MaxPool2d(2),
        "an average pool": nn.AvgPool2d(2),
        "a convolution": nn.Conv2d(4, 4, 3),
    }
    for what, module in reaching.items():
        plan = ais.place_plan(Flattened(module, PX).eval(), "conv", x, window="auto")
        assert plan.window == 5
        assert f"windows of 5 × 5: {what} follows" in plan.describe()
    for pool in (nn.Identity(), nn.MaxPool2d(1), nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(1)):
        plan = ais.place_plan(Flattened(pool, PX).eval(), "conv", x, window="auto")
        assert plan.window == 1
        assert "single places are enough" in str(plan)


def test_a_plan_serves_other_batches_and_one_call_gives_the_same(net) -> None:
    model = networks.randomised(networks.RandomNet(["conv1", "silu_in_place"], "pool", 0), 0)
    plan = ais.place_plan(model, "blocks.0", torch.randn(2, 3, PX, PX).double())
    assert plan.shape == (PX, PX)
    for shape in [(3, 3, PX, PX), (1, 3, 4, 7)]:
        x = torch.randn(shape, dtype=torch.float64)
        result = plan(x, memory_bytes=1)
        assert result.delta.shape == (shape[0], *shape[2:])
        removed = net.without_places(model, "blocks.0", x, net.square_windows(shape[2:], 1))
        torch.testing.assert_close(result.removed.flatten(1), removed, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(result.output, model(x).detach())
        once = ais.ablate_places(model, "blocks.0", x)
        torch.testing.assert_close(once, result.removed)
    with pytest.raises(RequestError, match="expected a plan for this network"):
        ais.ablate_places(model, "blocks.1", x, plan=plan)


class Chain(nn.Module):
    """Convolutions and pools of many kinds on maps large enough for windows."""

    def __init__(self, tail: str) -> None:
        super().__init__()
        self.stem, self.tail = nn.Conv2d(3, 4, 3, padding=1), tail
        self.first = nn.Conv2d(4, 4, 3, padding=1, bias=True)
        self.norm, self.second = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, 2, "valid", groups=2)
        self.same = nn.Conv2d(8, 4, (1, 3), padding="same")
        self.pool, self.mean = nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, 1)
        self.flat = nn.Linear(4 * 30, 6) if tail == "flatten" else nn.Linear(4, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.norm(self.first(nn.functional.silu(x))))
        y = self.second(x)
        x = self.same(torch.cat([y, nn.functional.max_pool2d(x, 3, 2)], 1)) - y
        x = self.pool(self.mean(x).sigmoid())
        if self.tail == "mix":
            x = x * x.mean((2, 3), keepdim=True).sigmoid()
        z = x.flatten(1) if self.tail == "flatten" else x.mean((2, 3))
        return self.head(nn.functional.dropout(self.flat(z), training=False).relu())


@pytest.mark.parametrize("tail", ["flatten", "mean", "mix"])
@pytest.mark.parametrize("window", [1, 3])
def test_windows_of_convolutions_and_pools(net, tail: str, window: int) -> None:
    model = networks.randomised(Chain(tail), 5)
    x = torch.randn(2, 3, 20, 26, dtype=torch.float64)[: 1 + (tail == "mean")]
    plan = ais.place_plan(model, "stem", x, window=window, verify=False)
    assert plan.kind == "local"
    assert "first, norm, " in str(plan)
    assert "run in windows around each place" in str(plan)
    windows = net.square_windows(plan.shape, window)[::9]
    replace = "mean" if window == 3 else "zero"
    found = plan(x, replace=replace, memory_bytes=2**20 if tail == "mean" else 10**9).removed
    exact = net.without_places(model, "stem", x, windows, replace=replace)
    torch.testing.assert_close(found.flatten(1, 2)[:, ::9], exact, rtol=1e-10, atol=1e-12)
    meets = {"flatten": "a block of columns of flat", "mean": "sum in mean", "mix": "mul"}
    assert meets[tail] in str(plan)


class Transformer(nn.Module):
    """Class token before 2 × 3 tokens; blocks of norm, attention and MLP; two readings."""

    def __init__(self, read: str) -> None:
        super().__init__()
        self.patches, self.read = nn.Conv2d(3, 8, 4, 4), read
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.patches(x).flatten(2).transpose(1, 2)
        t = torch.cat([self.token.expand(t.shape[0], -1, -1), t], 1)
        t = self.norm(self.blocks(t))
        return self.head(t[:, 0] if self.read == "class" else t[:, 1:].mean(1)).squeeze(1)


class Block(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.qkv = nn.LayerNorm(c), nn.LayerNorm(c), nn.Linear(c, 3 * c)
        self.mlp = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + nn.functional.scaled_dot_product_attention(q, k, v)
        return x + self.mlp(self.norm2(x))


@pytest.mark.parametrize("read", ["class", "mean"])
def test_tokens_lie_on_their_grid_and_those_before_it_stay(net, read: str) -> None:
    model, x = Transformer(read).double().eval(), torch.randn(2, 3, 8, 12).double()

    def lay_out(tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (2, 3))

    for layer, replace in (("blocks.0", "zero"), ("blocks.0", "mean"), ("blocks.1.norm2", "zero")):
        plan = ais.place_plan(model, layer, x, grid=(2, 3), window=3)
        exact = brute_force(net, model, layer, x, plan, replace, lay_out)
        assert plan.shape == (2, 3)
        assert "2 × 3 tokens after 1 that stay" in str(plan)
        torch.testing.assert_close(plan(x, replace=replace).delta, exact, rtol=1e-9, atol=1e-11)
    if read == "mean":
        assert plan.kind == "pooled"  # a norm and an MLP on tokens keep places apart
    else:
        assert (plan(x).delta == 0).all()  # the class token is done with the others here
    with pytest.raises(RequestError, match=r"form no square grid; say grid=\(rows, columns\)"):
        ais.place_plan(model, "blocks.0", torch.randn(2, 3, 12, 44).double())


def test_channels_last_maps(net) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 4, 1), nn.LayerNorm(4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).relu().mean((1, 2)))

    model, x = Last().double().eval(), torch.randn(2, 3, 4, 5).double()
    plan = ais.place_plan(model, "norm", x)
    exact = brute_force(net, model, "norm", x, plan, "mean", lambda o: o.permute(0, 3, 1, 2))
    torch.testing.assert_close(plan(x, replace="mean").delta, exact, rtol=1e-10, atol=1e-12)
    assert (plan.kind, plan.shape, plan.channel_axis) == ("pooled", (4, 5), 3)


def test_the_sign_of_channels_before_a_norm_changes_no_map() -> None:
    torch.manual_seed(0)
    model = networks.RandomNet(["conv1", "batch_norm", "relu"], "pool", 0)
    model = networks.randomised(model, 3)
    x = torch.randn(2, 3, PX, PX, dtype=torch.float64)
    before = ais.place_plan(model, "blocks.0", x)(x)
    turned, norm = model.blocks[0], model.blocks[1]
    with torch.no_grad():
        for tensor in (turned.weight, norm.running_mean, norm.weight):
            tensor[::2] *= -1
    after = ais.place_plan(model, "blocks.0", x)(x)
    torch.testing.assert_close(after.output, before.output)
    torch.testing.assert_close(after.delta, before.delta, rtol=1e-10, atol=1e-12)


def test_scores_by_place_are_those_of_channels() -> None:
    output, rating = torch.tensor([3.0, 5.0]).double(), torch.tensor([4.0, 4.0])
    delta = torch.tensor([[[-1.0, 0.5]], [[-0.5, 3.0]]]).double()
    wanted = torch.tensor([[[1.0, -0.5]], [[-0.5, 3.0]]]).double()
    assert torch.equal(place_scores(output, delta, rating), wanted)
    assert torch.equal(evidence_scores(delta), -delta)
    several = place_scores(output[:, None].numpy(), delta[..., None].numpy(), rating)
    assert torch.equal(torch.as_tensor(several)[..., 0], wanted)
    with pytest.raises(RequestError, match=r"expected output .* delta \(N, h, w\)"):
        place_scores(output, delta[0], rating)


@pytest.mark.parametrize(
    ("layer", "options", "words"),
    [
        ("head", {}, "a layer whose output has places"),
        ("conv", {"window": 2}, "expected window to be 1, 3, 5"),
        ("conv", {"window": "all"}, "expected window to be 1, 3, 5"),
        ("conv", {"grid": (2, 3)}, r"expected grid \(6, 6\)"),
        ("nowhere", {}, "no layer 'nowhere'"),
    ],
)
def test_unfit_requests(layer: str, options: dict, words: str) -> None:
    model, x = Flattened(nn.Identity(), PX).eval(), torch.randn(2, 3, PX, PX)
    with pytest.raises(RequestError, match=words):
        ais.place_plan(model, layer, x, **options)
    with pytest.raises(RequestError, match="expected replace"):
        ais.place_plan(model, "conv", x)(x, replace="noise")
