"""Calls without a plan use one again, and never one that the network has outgrown."""

from __future__ import annotations

import gc
import pickle
import weakref

import pytest
import torch
from torch import nn

import aisthesis as ais
from aisthesis.ablation import kept_plans

GAIN = {"value": 1.0}


class Rated(nn.Module):
    """A network whose code reads an attribute, a container and a global variable."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 1)
        self.sign, self.options = 1.0, {"power": 1.0}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x)).relu().mean((2, 3)) * self.sign * GAIN["value"]
        return (self.head(x) * self.options["power"]).squeeze(1)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Rated().double().eval().requires_grad_(False)


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """Kinds of the plans that are made."""
    kinds: list[str] = []
    for module, name in (("calls", "ablation_plan"), ("places.calls", "place_plan")):
        whole = f"aisthesis.ablation.{module}.{name}"
        make = getattr(ais, name)
        monkeypatch.setattr(
            whole, lambda *a, _make=make, _name=name, **k: kinds.append(_name) or _make(*a, **k)
        )
    monkeypatch.setattr(kept_plans, "_plans", [])
    return kinds


X = torch.randn(2, 3, 5, 5, dtype=torch.float64, generator=torch.manual_seed(1))


def test_a_plan_is_made_once_for_each_request(model, made, monkeypatch) -> None:
    first = ais.ablate(model, "conv", X)
    again = ais.ablate(model, "conv", X.flip(0))
    torch.testing.assert_close(again, first.flip(0))
    ais.retained_output(model, "conv", X, [0, 2])
    assert made == ["ablation_plan"]
    places = ais.ablate_places(model, "conv", X)
    torch.testing.assert_close(ais.ablate_places(model, "conv", X), places, rtol=0, atol=0)
    assert made == ["ablation_plan", "place_plan"]
    ais.ablate_places(model, "conv", X, window=3)
    ais.ablate(model, "norm", X)
    ais.ablate(model, "conv", X[:1])
    assert len(made) == 5
    assert len(kept_plans._plans) == 5
    monkeypatch.setattr(kept_plans, "_MOST", 2)
    ais.ablate(model.float(), "conv", X.float())
    assert len(made) == 6
    assert len(kept_plans._plans) == 2


def _scale_in_place(model: nn.Module) -> None:
    model.head.weight.mul_(2)


def _write_into_a_buffer(model: nn.Module) -> None:
    model.norm.running_mean += 1


def _other_module(model: nn.Module) -> None:
    model.head = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 1)).double()


def _other_code(model: nn.Module) -> None:
    model.forward = lambda x: type(model).forward(model, x) * 3


def _hook(model: nn.Module) -> None:
    model.norm.register_forward_hook(lambda _module, _inputs, output: output * 2)


CHANGES = {
    "weights in place": _scale_in_place,
    "weights by data": lambda model: setattr(model.head.weight, "data", model.head.weight * 2),
    "a buffer": _write_into_a_buffer,
    "a module": _other_module,
    "an attribute": lambda model: setattr(model, "sign", -1.0),
    "a container": lambda model: model.options.update(power=2.0),
    "the code": _other_code,
    "a hook": _hook,
    "the mode": lambda model: model.norm.train(),
    "state": lambda model: model.load_state_dict({k: v * 2 for k, v in model.state_dict().items()}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_network_that_changed_gets_a_new_plan(net, model, made, what: str) -> None:
    ais.ablate(model, "conv", X)
    CHANGES[what](model)
    found = ais.ablate(model, "conv", X)
    assert made == ["ablation_plan"] * 2
    exact = net.zeroed_outputs(model.eval(), "conv", X, range(4))
    torch.testing.assert_close(found, exact)


def test_a_global_variable_that_the_code_reads_counts(model, made, monkeypatch) -> None:
    before = ais.ablate(model, "conv", X)
    monkeypatch.setitem(GAIN, "value", 2.0)
    bias = model.head.bias
    torch.testing.assert_close(ais.ablate(model, "conv", X) - bias, 2 * (before - bias))
    assert len(made) == 2


def test_a_network_that_is_gone_is_freed_with_its_plans(made) -> None:
    model = Rated().double().eval()
    ais.ablate(model, "conv", X)
    ais.ablate_places(model, "conv", X)
    assert len(kept_plans._plans) == 2
    gone = [weakref.ref(model), weakref.ref(model.conv), weakref.ref(model.head.weight)]
    pickle.dumps(model)  # nothing hangs on it
    del model
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3
    assert not kept_plans._plans


def test_kept_plans_hold_no_module_and_no_weight(model, made) -> None:
    ais.ablate(model, "conv", X)
    ais.ablate_places(model, "conv", X, window=3)
    gc.collect()
    own = {id(part) for part in (*model.modules(), *model.parameters(), *model.buffers())}
    waiting, seen = [kept.plan for kept in kept_plans._plans], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, type) or hasattr(value, "__globals__"):
            continue
        seen.add(id(value))
        assert id(value) not in own
        waiting.extend(gc.get_referents(value))
    assert len(seen) > 100


def test_a_network_that_cannot_be_traced_keeps_its_plan_too(made) -> None:
    class Branching(Rated):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x if x.sum() > -1e9 else -x)

    model = Branching().double().eval().requires_grad_(False)
    first = ais.ablate(model, "conv", X)
    torch.testing.assert_close(ais.ablate(model, "conv", X), first, rtol=0, atol=0)
    assert len(made) == 1
