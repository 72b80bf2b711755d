"""Plans are tried on images that show what the network's own code does."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aisthesis.ablation.calls import run_ablation
from aisthesis.ablation.plan import ablation_plan
from aisthesis.ablation.request import distinct_images
from aisthesis.errors import RequestError


class Small(nn.Module):
    """A network whose `change` and `after` say what its code does before and after the layer."""

    def __init__(self, size: float = 1.0) -> None:
        super().__init__()
        self.a, self.b, self.f = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 1)
        self.size = size

    def change(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def after(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.after(torch.relu(self.a(self.change(x))))
        return self.size * self.f(torch.tanh(self.b(y)).mean((2, 3)))[:, 0]


class Instance(Small):
    def change(self, x):
        return x * 3 if isinstance(x, torch.Tensor) else x


class IsTensor(Small):
    def change(self, x):
        return x.flip(1) if torch.is_tensor(x) else x


class ExactType(Small):
    def after(self, y):
        return y.clamp(max=0.3) if type(y) is torch.Tensor else y


class Signs(Small):
    """Does something to images with negative values only."""

    def change(self, x):
        return x.abs() if isinstance(x, torch.Tensor) and bool((x < 0).any()) else x


class Autocast(Small):
    def after(self, y):
        with torch.autocast("cpu", torch.bfloat16):
            return self.b(F.pad(y, (1, 1, 1, 1))).float()


class Gradient(Small):
    def after(self, y):
        return y if y.requires_grad else y * y


def share(plan, model: nn.Module, x: torch.Tensor, net) -> float:
    """Largest error of the plan, as a share of the largest effect of one channel."""
    exact = net.zeroed_outputs(model, plan.layer, x, range(plan.channels)).double()
    with torch.no_grad():
        effect = (exact - model(x).double().unsqueeze(1)).abs().max()
    return float((plan(x).removed - exact).abs().max() / effect)


@pytest.mark.parametrize("kind", [Instance, IsTensor, ExactType, Signs, Autocast, Gradient])
@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_code_that_its_graph_does_not_show_runs_itself(net, kind, size: float) -> None:
    model, x = kind(size).eval(), torch.randn(3, 3, 10, 10)
    for sample in (x, torch.zeros(1, 3, 10, 10), (1, 3, 10, 10)):
        plan = ablation_plan(model, "a", sample)
        assert plan.kind == "rerun"
        assert share(plan, model, x, net) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", [Instance, ExactType])
def test_half_precision_hides_no_wrong_graph(net, kind, dtype: torch.dtype) -> None:
    model, x = kind().eval().to(dtype), torch.randn(3, 3, 10, 10).to(dtype)
    assert share(ablation_plan(model, "a", x), model, x, net) < 0.02


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_right_graphs_stay_fast_however_small_the_effect(dtype, offset: float) -> None:
    class Offset(Small):
        def forward(self, x):
            return super().forward(x) + offset

    model = Offset(1e-3).eval().to(dtype)
    x = torch.randn(2, 3, 10, 10).to(dtype)
    plan = ablation_plan(model, "a", x)
    assert plan.kind == "linear"
    wide = copy.deepcopy(model).double()
    exact = run_ablation(wide, "a", x.double()).delta
    error = (plan(x).delta - exact).abs().max() / exact.abs().max()
    assert error < (1e-4 if dtype == torch.float32 else 0.1)


def test_images_of_another_size_are_tried_too(net) -> None:
    class Size(Small):
        def change(self, x):
            return -x if isinstance(x, torch.Tensor) and x.shape[-1] > 11 else x

    model = Size().eval()
    plan = ablation_plan(model, "a", torch.randn(2, 3, 10, 10))
    assert plan.kind == "linear"
    for px in (10, 12):
        assert share(plan, model, torch.randn(2, 3, px, px), net) < 1e-3


def test_sample_images_differ_and_are_not_blank() -> None:
    x = torch.rand(1, 3, 4, 4)
    batches = (x, x.repeat(3, 1, 1, 1), torch.zeros(1, 3, 4, 4), torch.cat([torch.ones_like(x), x]))
    for batch in batches:
        one, two = distinct_images(batch)
        assert not torch.equal(one, two)
        assert one.std() > 0
        assert two.std() > 0
    one, two = distinct_images(x)
    assert torch.equal(one, x[0])
    assert x.min() <= two.min() <= two.max() <= x.max()


class Dropped(Small):
    def after(self, y):
        return F.dropout(y, 0.5)


class Noisy(Small):
    def after(self, y):
        return y + 1e-3 * torch.rand(y.shape)


class Leaky(Small):
    def after(self, y):
        return F.rrelu(y - 0.1, training=True)


class Rarely(Small):
    """Stochastic depth that seldom does anything, and is on in evaluation mode."""

    def after(self, y):
        return y * 0 if torch.rand(()) < 1e-6 else y


class OutsideTorch(Small):
    def after(self, y):
        import random

        return y * random.random()


class OwnGenerator(Small):
    generator = torch.Generator().manual_seed(0)

    def after(self, y):
        return y * torch.rand(1, generator=self.generator)


class Counting(Small):
    calls = [0]  # noqa: RUF012  shared by all, as a module-level variable would be

    def after(self, y):
        Counting.calls[0] += 1
        return y * Counting.calls[0]


@pytest.mark.parametrize("kind", [Dropped, Noisy, Leaky, Rarely, OutsideTorch])
def test_random_numbers_are_refused(kind) -> None:
    with pytest.raises(RequestError, match="draws random numbers in evaluation mode"):
        ablation_plan(kind().eval(), "a", (2, 3, 10, 10))


class SomebodyElse(Small):
    """A thread beside the network draws from the generator that all share, in one pass."""

    passes = [0]  # noqa: RUF012

    def after(self, y):
        import random

        SomebodyElse.passes[0] += 1
        if SomebodyElse.passes[0] == 2:
            random.random()
        return y


def test_random_numbers_of_another_thread_are_not_the_networks() -> None:
    """Workers of Dask have threads that draw; theirs is not drawn in every pass."""
    ablation_plan(SomebodyElse().eval(), "a", (2, 3, 10, 10))
    assert SomebodyElse.passes[0] > 2


@pytest.mark.parametrize("kind", [OwnGenerator, Counting])
def test_two_calls_that_differ_are_refused(kind) -> None:
    with pytest.raises(RequestError, match="other predictions for the same images"):
        ablation_plan(kind().eval(), "a", (2, 3, 10, 10))


class Moving(Small):
    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.register_buffer("centre", torch.zeros(6, 1, 1))
        self.plain, self.seen, self.n = torch.zeros(6, 1, 1), [], 0

    def after(self, y):
        mean = y.mean((0, 2, 3))[:, None, None]
        if self.where == "buffer":
            self.centre.mul_(0.9).add_(0.1 * mean)
        elif self.where == "data":
            self.centre.data.copy_(self.centre.data * 0.9 + 0.1 * mean)
        elif self.where == "rebound":
            self.centre = 0.9 * self.centre + 0.1 * mean
        elif self.where == "batch_norm":
            F.batch_norm(y, self.centre.view(6), torch.ones(6), training=True)
        elif self.where == "parameter":
            with torch.no_grad():
                self.b.weight.mul_(0.9)
        elif self.where == "list":
            self.seen.append(mean)
            self.n += 1
            return y * len(self.seen) * self.n
        else:
            self.plain.add_(mean)
            return y - self.plain
        return y - self.centre


@pytest.mark.parametrize(
    "where", ["buffer", "data", "rebound", "batch_norm", "parameter", "list", "plain"]
)
def test_what_a_pass_moves_is_given_back(where: str) -> None:
    model, x = Moving(where).eval(), torch.rand(2, 3, 10, 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def brute(channel: int | None) -> torch.Tensor:
        fresh = copy.deepcopy(model)
        if channel is not None:
            fresh.a.register_forward_hook(
                lambda m, i, o: o * (torch.arange(6) != channel).view(6, 1, 1)
            )
        with torch.no_grad():
            return fresh(x).double()

    exact = torch.stack([brute(channel) for channel in range(6)], 1)
    plan = ablation_plan(model, "a", x)
    one, two = plan(x), plan(x)
    assert torch.equal(one.delta, two.delta)
    torch.testing.assert_close(one.removed, exact, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.plain.any()
    assert (model.seen, model.n) == ([], 0)


class Caching(Small):
    """Makes a position grid at its first pass and keeps it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.grid, self.table = kind, None, {}

    def after(self, y):
        if self.kind == "dict":
            key = "grid"
            if key not in self.table:
                self.table[key] = y.new_ones(y.shape[-2:]).cumsum(0) / 10
            return y * self.table[key]
        if self.kind == "absent":
            if not hasattr(self, "later"):
                self.later = y.new_ones(y.shape[-2:]).cumsum(0) / 10
            return y * self.later
        stale = self.kind == "strict" and self.grid is not None
        if self.grid is None or (stale and self.grid.shape[-1] != y.shape[-1]):
            self.grid = y.new_ones(y.shape[-2:]).cumsum(0) / 10
        return y * self.grid


@pytest.mark.parametrize("kind", ["loose", "strict", "dict", "absent"])
def test_what_is_made_at_the_first_pass(net, kind: str) -> None:
    fresh = Caching(kind).eval()
    warm, x = copy.deepcopy(fresh), torch.randn(3, 3, 10, 10)
    warm(x)
    attributes = sorted(vars(fresh))
    right = net.zeroed_outputs(warm, "a", x, range(6)).double()
    for _ in range(2):
        plan = ablation_plan(fresh, "a", x[:2])
        torch.testing.assert_close(plan(x).removed, right, rtol=1e-4, atol=1e-6)
    assert (sorted(vars(fresh)), fresh.grid, fresh.table) == (attributes, None, {})
    other = torch.randn(2, 3, 13, 13)
    again = copy.deepcopy(fresh)
    right = net.zeroed_outputs(again, "a", other, range(6)).double()
    torch.testing.assert_close(plan(other).removed, right, rtol=1e-4, atol=1e-6)


def test_scripted_quantised_and_lazy_parts(net) -> None:
    x = torch.randn(2, 3, 10, 10)
    traced = torch.jit.trace(Small().b, torch.ones(1, 6, 8, 8))
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 1)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), traced, *pool).eval()
    assert share(ablation_plan(model, "0", x), model, x, net) < 1e-3
    with pytest.raises(RequestError, match="no hook reaches"):
        ablation_plan(model, "1", x)
    inner = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
    model = nn.Sequential(torch.jit.script(inner), nn.Flatten(), nn.Linear(384, 1)).eval()
    with pytest.raises(RequestError, match="scripted or traced"):
        ablation_plan(model, "0.0", x)
    lazy = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.LazyLinear(1)).eval()
    with pytest.raises(RequestError, match="call the network once"):
        ablation_plan(lazy, "0", x)


@pytest.mark.parametrize("what", ["whole", "trunk", "in place", "function"])
@pytest.mark.parametrize("used", [False, True])
def test_compiled_networks(what: str, used: bool) -> None:
    class Trunk(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3))
            self.f = nn.Linear(6, 1)

        def forward(self, x):
            return self.f(self.body(x).tanh().mean((2, 3)))[:, 0]

    plain, x = Trunk().eval(), torch.randn(2, 3, 10, 10)
    right = run_ablation(plain, "body.0", x).delta
    torch._dynamo.reset()
    model, layer = copy.deepcopy(plain), "body.0"
    if what == "whole":
        model, layer = torch.compile(model, backend="eager"), "_orig_mod.body.0"
    elif what == "trunk":
        model.body, layer = torch.compile(model.body, backend="eager"), "body._orig_mod.0"
    elif what == "in place":
        model.compile(backend="eager")
    else:
        model.forward = torch.compile(model.forward, backend="eager")
    with torch.no_grad():
        expected = model(x) if used else plain(x)
        found = run_ablation(model, layer, x).delta
        torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(model(x), expected)
    assert right.abs().max() > 1e-3
