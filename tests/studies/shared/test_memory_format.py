"""Convolutions with channels last in memory: the same values, and only where nothing breaks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import aisthesis as ais
from aisthesis.ablation.modes import channels_last_of, contiguous_weights, own_convolutions
from aisthesis.backbones.initialise import noise_images
from aisthesis.explainers.base import ExplainedNetwork
from aisthesis.explainers.own import OwnExplainer
from aisthesis.faithfulness.randomisation import cascade
from aisthesis.heads import MeanRating
from aisthesis.studies.ratings.explaining.kept_activations import KeptActivations
from aisthesis.studies.shared.ablation_plans import place_plan_for, plan_for
from aisthesis.studies.shared.memory_format import TOLERANCE, memory_format, settle

CPU = torch.device("cpu")
SEEN = ais.Transform(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
#: Of every kind that is explained by default, with small images.
NETWORKS = (
    "torchvision:resnet18",
    "torchvision:mobilenet_v3_small",
    "torchvision:squeezenet1_1",
)


@pytest.fixture(scope="module", params=NETWORKS)
def both(request) -> tuple[ais.Backbone, ais.Backbone]:
    """A network as it is made, and as a study lays it out."""
    eager = ais.backbone(request.param, weights="random", input_px=64)
    return eager, settle(_copy(eager), CPU)


def _copy(backbone: ais.Backbone) -> ais.Backbone:
    return ais.Backbone(
        backbone.module,
        layer=backbone.layer,
        transform=backbone.transform,
        embed=backbone.embed,
        name=backbone.name,
        network=backbone.network,
    )


def _of(network: nn.Module, layer: str = "0", embed: str | None = "pool") -> ais.Backbone:
    return ais.Backbone(network, layer=layer, transform=SEEN, embed=embed, name="own")


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= TOLERANCE * one.abs().max())


@torch.no_grad()
def test_embeddings_are_those_of_eager_torch(both) -> None:
    eager, ours = both
    assert memory_format(ours) == "channels last"
    assert memory_format(eager) == "contiguous"
    images = noise_images(eager.transform, 3, seed=5)
    assert _close(eager.trunk(images), ours.trunk(images))
    assert ours.weights.sha256 == eager.weights.sha256
    assert ours.fingerprint == eager.fingerprint


@torch.no_grad()
def test_what_removing_channels_and_places_changes_is_the_same() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 12, 3, bias=False),
        nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 6, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 16, 7),
    )  # fmt: skip
    both = _of(network, "2", None), settle(_of(network, "2", None), CPU)
    head = nn.Sequential(nn.Linear(7, 1), nn.Flatten(0))
    images = noise_images(SEEN, 2, seed=5)
    models = [MeanRating(backbone.trunk, [head]) for backbone in both]
    for plan in (plan_for, place_plan_for):
        first, last = (plan(*pair)(images) for pair in zip(both, models, strict=True))
        assert _close(first.delta, last.delta)
        assert _close(first.activation, last.activation)


class Viewing(nn.Module):
    """Written for maps that are contiguous."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)[:, :6].clone()


class Ordered(nn.Module):
    """Gives something else where channels are last in memory."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.0 if x.is_contiguous() else 1.001)


@pytest.mark.parametrize(
    ("network", "embed"),
    [
        (nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), Viewing()), None),
        (nn.Sequential(nn.Conv2d(3, 6, 3), Ordered()), "pool"),
    ],
)
def test_a_network_that_does_not_bear_it_stays_as_it_is(network, embed) -> None:
    made = _of(network, embed=embed)
    images = noise_images(SEEN, 2, seed=0)
    before, strides = made.trunk(images), made.module[0].weight.stride()
    assert settle(made, CPU) is made
    assert memory_format(made) == "contiguous"
    assert made.module[0].weight.stride() == strides
    assert torch.equal(made.trunk(images), before)


def test_the_choice_is_made_once_and_only_for_the_processor() -> None:
    made = _of(nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()))
    elsewhere = settle(_copy(made), torch.device("meta"))
    assert memory_format(elsewhere) == "contiguous"
    settle(made, CPU)
    pointer = made.module[0].weight.data_ptr()
    assert settle(made, CPU).module[0].weight.data_ptr() == pointer


def test_an_explainer_of_ones_own_sees_contiguous_outputs(monkeypatch) -> None:
    made = settle(_of(nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3), nn.ReLU())), CPU)
    strides = [one.weight.stride() for one in own_convolutions(made.trunk)]
    seen = []

    class Own:
        name = "own"

        def grid(self, subject):
            return 1, 1

        def __call__(self, subject, images, *, seeds, advance):
            seen.append(subject.model.module[0](images).is_contiguous())
            raise KeyError("of the explainer")

    monkeypatch.setattr(OwnExplainer, "_own", Own())
    subject = ExplainedNetwork(made.trunk, "module.0", made.to_map, 32, (32, 32))
    with pytest.raises(KeyError):
        OwnExplainer("own", "")(subject, torch.rand(2, 3, 32, 32), seeds=[0, 1], advance=print)
    assert seen == [True]
    assert [one.weight.stride() for one in own_convolutions(made.trunk)] == strides
    assert channels_last_of(own_convolutions(made.trunk))


def test_values_that_are_written_in_the_usual_order_stay() -> None:
    layer = nn.Conv2d(3, 6, 3)
    layer.weight.data = layer.weight.data.clone(memory_format=torch.channels_last)
    with contiguous_weights(layer):
        assert not channels_last_of([layer])
        layer.weight.data.fill_(2)
    assert channels_last_of([layer])
    assert bool((layer.weight == 2).all())


def test_a_network_made_random_draws_the_same_weights_in_either_order() -> None:
    torch.manual_seed(0)
    one = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(6 * 36, 1), nn.Flatten(0))
    other = copy.deepcopy(one)
    other[0].weight.data = other[0].weight.data.clone(memory_format=torch.channels_last)
    sample, drawn = torch.rand(2, 3, 8, 8), []
    for model in (one, other):
        with cascade(model, sample, seed=3) as stages:
            list(stages)
            drawn.append(model[0].weight.detach().clone())
    assert torch.equal(*drawn)


def test_kept_activations_come_back_as_they_lay_in_memory(tmp_path) -> None:
    kept = KeptActivations(tmp_path, tmp_path / "cache" / "activations" / "one")
    last = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    carried = {"last": last, "first": torch.rand(2, 3, 4, 4), "flat": torch.rand(2, 5)}
    kept.write(["a", "b"], carried)
    found = kept.read(["a", "b"])
    assert all(torch.equal(found[name], carried[name]) for name in carried)
    assert all(found[name].stride() == carried[name].stride() for name in carried)
