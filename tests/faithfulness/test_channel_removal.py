from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aisthesis.ablation.plan import ablation_plan
from aisthesis.errors import RequestError
from aisthesis.faithfulness.channel_removal import (
    channel_counts,
    channel_curves,
    channel_measures,
    channel_sets_tested,
)
from aisthesis.importance.scores import evidence_scores

CHANNELS, N = 12, 5


class Additive(nn.Module):
    """Every channel's mean adds its own part: what channels do together is the sum."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, CHANNELS, 3)
        self.head = head
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layer(images).mean((2, 3))).squeeze(-1)


def network(*, additive: bool = True, heads: int = 1) -> Additive:
    torch.manual_seed(0)
    linear = nn.Linear(CHANNELS, heads)
    mixing = nn.Sequential(nn.Linear(CHANNELS, 8), nn.ReLU(), nn.Linear(8, heads))
    return Additive(linear if additive else mixing).double()


def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(N, 3, 8, 8, generator=generator, dtype=torch.float64) + 0.5


def evidence(model: nn.Module) -> tuple[Any, np.ndarray]:
    plan = ablation_plan(model, "layer", images())
    return plan, evidence_scores(plan(images()).delta).numpy()


def removed_by_hook(model: nn.Module, image: Tensor, channels: list[int]) -> float:
    def zero(_m: nn.Module, _i: Any, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, channels] = 0
        return output

    handle = model.layer.register_forward_hook(zero)
    with torch.no_grad():
        without = model(image[None])
        handle.remove()
        return float((without - model(image[None])).mean())


def test_as_many_sets_are_removed_as_is_said(monkeypatch) -> None:
    plan, scores = evidence(network())
    asked: list[int] = []
    call = type(plan).__call__

    def counted(self: Any, x: Tensor, *, groups: Any) -> Any:
        asked.append(len(groups))
        return call(self, x, groups=groups)

    monkeypatch.setattr(type(plan), "__call__", counted)
    channel_curves(plan, images()[:1], {"a": scores[:1], "b": -scores[:1]})
    assert sum(asked) == channel_sets_tested(CHANNELS, 2)


@pytest.mark.parametrize("heads", [1, 3])
def test_joint_removal_equals_a_hook_where_channels_interact(heads: int) -> None:
    model = network(additive=False, heads=heads)
    plan = ablation_plan(model, "layer", images())
    scores = np.random.default_rng(2).normal(size=(N, CHANNELS))
    curves = channel_curves(plan, images(), {"s": scores}, counts=[1, 4, 12])
    with torch.no_grad():
        activation = model.layer(images()).clamp(min=0).mean((2, 3)).numpy()
    wanted = [
        ("s", "highest", -scores),
        ("s", "lowest", scores),
        ("s", "largest", -abs(scores)),
        ("activation", "highest", -activation),
    ]
    for ranking, order, key in wanted:
        for i, image in enumerate(images()):
            for count in (1, 4, 12):
                expected = removed_by_hook(model, image, np.argsort(key[i])[:count].tolist())
                got = curves.sel(ranking=ranking, order=order, count=count).isel(image=i, draw=0)
                assert float(got) == pytest.approx(expected, abs=1e-10)


def test_the_true_ranking_is_best_where_channels_add_up() -> None:
    plan, truth = evidence(network())
    rng = np.random.default_rng(0)
    others = {f"r{i}": rng.normal(size=truth.shape) for i in range(20)}
    result = channel_measures(channel_curves(plan, images(), {"truth": truth} | others))
    best = result.sel(ranking="truth")
    for measure in ("channels_positive", "channels_negative"):
        rest = result.sel(measure=measure).drop_sel(ranking="truth")
        assert (best.sel(measure=measure) >= rest - 1e-12).all()
        assert (best.sel(measure=measure) > rest.sel(ranking="random")).all()
    magnitude = result.sel(measure="channels_magnitude").mean("image")
    assert magnitude.sel(ranking="truth") > magnitude.sel(ranking="random")


def test_the_first_channels_sum_up_where_channels_add_up() -> None:
    plan, truth = evidence(network())
    curves = channel_curves(plan, images(), {"truth": truth}, counts=[1, 3, 6])
    falling = np.cumsum(-np.sort(-truth, axis=1), axis=1)[:, [0, 2, 5]]
    np.testing.assert_allclose(
        curves.sel(ranking="truth", order="highest").isel(draw=0), -falling, atol=1e-10
    )


def test_random_scores_fall_to_the_level_of_random_orders() -> None:
    plan, truth = evidence(network())
    rng = np.random.default_rng(7)
    scores = {f"r{i}": rng.normal(size=truth.shape) for i in range(150)}
    curves = channel_curves(plan, images(), scores, n_random=150)
    result = channel_measures(curves, rating=np.full(N, 0.3))
    control = result.sel(ranking="random")
    values = result.sel(ranking=list(scores))
    error = np.sqrt(2) * values.std("ranking") / np.sqrt(150)
    assert (abs(values.mean("ranking") - control) < 4 * error).all()


def test_negated_scores_trade_the_sides() -> None:
    plan, truth = evidence(network(additive=False))
    result = channel_measures(channel_curves(plan, images(), {"e": truth, "n": -truth}))
    one, other = result.sel(ranking="e"), result.sel(ranking="n")
    np.testing.assert_allclose(
        one.sel(measure="channels_positive"), -other.sel(measure="channels_negative"), atol=1e-12
    )


def test_activation_is_the_same_on_both_sides() -> None:
    plan, truth = evidence(network())
    result = channel_measures(channel_curves(plan, images(), {"e": truth}))
    active = result.sel(ranking="activation")
    np.testing.assert_allclose(
        active.sel(measure="channels_positive"), -active.sel(measure="channels_negative")
    )


def test_error_grows_most_for_scores_that_say_so() -> None:
    model = network()
    plan, truth = evidence(model)
    with torch.no_grad():
        prediction = model(images()).numpy()
    rating = prediction + np.array([20, -20, 20, -20, np.nan])
    # far from the rating, AIS is the evidence times the side of the residual
    ais = truth * np.sign(rating - prediction)[:, None]
    curves = channel_curves(plan, images(), {"ais": ais, "evidence": truth})
    error = channel_measures(curves, 2.0, rating=rating).sel(measure="channels_error")
    assert np.isnan(error.sel(ranking="evidence")).values.tolist() == [False] * 4 + [True]
    defined = error.isel(image=slice(4))
    assert (defined.sel(ranking="ais") > 0).all()
    assert (defined.sel(ranking="ais") > defined.sel(ranking="random")).all()
    assert (defined.sel(ranking="evidence").values[[1, 3]] < 0).all()
    np.testing.assert_allclose(curves["prediction"], prediction)
    plain = channel_measures(curves).sel(measure="channels_positive")
    halved = channel_measures(curves, 2.0, rating=rating).sel(measure="channels_positive")
    np.testing.assert_allclose(halved, plain / 2)


def test_images_without_scores_are_undefined_in_their_ranking_alone() -> None:
    plan, truth = evidence(network())
    broken = truth.copy()
    broken[2, 3] = np.nan
    result = channel_measures(channel_curves(plan, images(), {"b": broken}))
    assert np.isnan(result.sel(ranking="b")).all("measure").values.tolist() == [
        False, False, True, False, False,
    ]  # fmt: skip
    assert np.isfinite(result.sel(ranking=["random", "activation"])).all()


def test_random_orders_are_seeded_by_image() -> None:
    plan, truth = evidence(network())
    one, again, other = (
        channel_curves(plan, images(), {"e": truth}, seed=s).sel(ranking="random").values
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_counts_go_from_one_to_half() -> None:
    counts = channel_counts(512)
    assert counts[0] == 1
    assert counts[-1] == 256
    assert counts == sorted(set(counts))
    assert channel_counts(2) == [1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": {"s": np.zeros((N, 3))}}, r"of shape \(5, 12\)"),
        ({"scores": {"random": np.zeros((N, CHANNELS))}}, "are made here"),
        ({"counts": [0, 3]}, "from 1 to 12"),
        ({"counts": [3, 2]}, "increasing"),
        ({"counts": [13]}, "from 1 to 12"),
        ({"n_random": 0}, "at least 1 random order"),
    ],
)
def test_unfit_requests_are_refused(change: dict[str, Any], words: str) -> None:
    plan, truth = evidence(network())
    request: dict[str, Any] = {"plan": plan, "images": images(), "scores": {"e": truth}}
    with pytest.raises(RequestError, match=words):
        channel_curves(**(request | change))


def test_unfit_ratings_and_units_are_refused() -> None:
    plan, truth = evidence(network())
    curves = channel_curves(plan, images(), {"e": truth}, counts=[1])
    with pytest.raises(RequestError, match="expected 5 ratings"):
        channel_measures(curves, rating=[1.0, 2.0])
    with pytest.raises(RequestError, match="positive unit"):
        channel_measures(curves, 0.0)
