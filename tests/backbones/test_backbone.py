from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aisthesis.backbones import Backbone, WeightsRecord, tensors_digest
from aisthesis.errors import RequestError
from aisthesis.images import Transform


def test_a_user_s_network(small_network: nn.Module, transform: Transform, images: Tensor) -> None:
    made = Backbone(small_network, layer="conv2", transform=transform, name="mine")
    assert (made.map_shape, made.embedding_dim, made.input_px) == ((6, 8, 8), 6, 32)
    assert made.trunk.get_submodule(made.trunk_layer or "") is made.module.conv2
    assert made.n_parameters == sum(p.numel() for p in small_network.parameters())
    assert made.weights.kind == "given"
    assert made.weights.sha256 == tensors_digest(made.trunk)
    assert torch.equal(made.trunk(images), copy.deepcopy(small_network).eval()(images))


def test_the_user_s_network_is_left_as_it_was(
    small_network: nn.Module, transform: Transform
) -> None:
    small_network.train()
    small_network.bn1.eval()
    before = tensors_digest(small_network)
    modes = [part.training for part in small_network.modules()]
    Backbone(small_network, layer="conv2", transform=transform)
    assert tensors_digest(small_network) == before
    assert [part.training for part in small_network.modules()] == modes
    assert all(parameter.requires_grad for parameter in small_network.parameters())
    assert not any(part._forward_hooks for part in small_network.modules())


def test_later_changes_do_not_reach_the_backbone(
    small_network: nn.Module, transform: Transform, images: Tensor
) -> None:
    made = Backbone(small_network, transform=transform)
    before = made.trunk(images)
    with torch.no_grad():
        small_network.conv1.weight.zero_()
    assert torch.equal(made.trunk(images), before)


def test_a_network_handed_over_is_not_copied(
    small_network: nn.Module, transform: Transform
) -> None:
    made = Backbone(small_network, transform=transform, copy=False)
    assert made.module is small_network
    assert not any(parameter.requires_grad for parameter in small_network.parameters())


def test_a_miniature_keeps_its_record(small_network: nn.Module, transform: Transform) -> None:
    record = WeightsRecord("miniature", "the embedded study", file_sha256="ab")
    made = Backbone(small_network, transform=transform, weights=record, network="miniature vgg16")
    assert (made.weights.kind, made.weights.source) == ("miniature", "the embedded study")
    assert made.weights.file_sha256 == "ab"
    assert made.network == "miniature vgg16"


def test_it_cannot_be_changed(small_network: nn.Module, transform: Transform) -> None:
    made = Backbone(small_network, transform=transform)
    with pytest.raises(FrozenInstanceError):
        made.layer = "conv2"  # type: ignore[misc]


def test_deepest(small_network: nn.Module, transform: Transform) -> None:
    assert Backbone(small_network, layer="deepest", transform=transform).layer == "conv2"


def test_prediction_only(small_network: nn.Module, transform: Transform) -> None:
    made = Backbone(small_network, transform=transform)
    assert (made.layer, made.trunk_layer, made.map_shape) == (None, None, None)
    with pytest.raises(RequestError, match="prediction only"):
        made.to_map(torch.zeros(1, 6, 8, 8))


def test_pool_and_function_agree(
    small_network: nn.Module, transform: Transform, images: Tensor
) -> None:
    maps = small_network[:-2]
    pooled = Backbone(maps, transform=transform, embed="pool")
    by_hand = Backbone(maps, transform=transform, embed=lambda output: output.mean((2, 3)))
    assert torch.equal(pooled.trunk(images), by_hand.trunk(images))


def test_it_travels_to_another_process(
    small_network: nn.Module, transform: Transform, images: Tensor
) -> None:
    made = Backbone(small_network, layer="conv2", transform=transform)
    there = pickle.loads(pickle.dumps(made))
    assert there.fingerprint == made.fingerprint
    assert torch.equal(there.trunk(images), made.trunk(images))


def test_fingerprints_depend_on_all_that_matters(
    small_network: nn.Module, transform: Transform
) -> None:
    def fingerprints(**changes: Any) -> tuple[str, str]:
        module = changes.pop("module", small_network)
        made = Backbone(module, **{"layer": "conv2", "transform": transform} | changes)
        return made.fingerprint, made.embedding_fingerprint

    maps, embeddings = fingerprints()
    assert fingerprints(name="another name") == (maps, embeddings)
    other_layer = fingerprints(layer="conv1")
    assert other_layer[0] != maps
    assert other_layer[1] == embeddings
    changed = copy.deepcopy(small_network)
    with torch.no_grad():
        changed.conv1.weight[0, 0, 0, 0] += 1e-6
    leaky = copy.deepcopy(small_network)
    leaky.relu1 = nn.LeakyReLU(0.1)  # no tensor differs
    wider = Transform(40, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    for changes in [
        {"module": changed},
        {"module": leaky},
        {"transform": wider},
        {"embed": lambda output: output * 2},
    ]:
        assert set(fingerprints(**changes)).isdisjoint({maps, embeddings})


def test_provenance_is_plain(small_network: nn.Module, transform: Transform) -> None:
    import json

    made = Backbone(small_network, layer="conv2", transform=transform, name="mine")
    record = json.loads(json.dumps(made.as_dict()))
    assert record["layer"] == "conv2"
    assert record["map_shape"] == [6, 8, 8]
    assert record["weights"]["sha256"] == made.weights.sha256


class Noisy(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) + torch.rand(3)


class Dictionary(nn.Module):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"pooled": images.mean((2, 3))}


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            nn.Conv2d(3, 4, 3),
            r"two axes \(N, D\), but mine gave \(2, 4, 30, 30\); use embed=\"pool",
        ),
        (nn.Flatten(0), r"two axes .* gave \(6144,\)"),
        (nn.Sequential(nn.Flatten(), nn.Unflatten(0, (1, 2)), nn.Flatten()), r"must be \(2, D\)"),
        (Dictionary(), "gave a dict .*embed="),
        (nn.Linear(7, 2), r"could not take a batch of shape \(2, 3, 32, 32\): RuntimeError"),
        (Noisy(), "another embedding in another batch"),
        (
            nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten()),
            "another embedding in another batch",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 2).double()), "float64.*module.float"),
    ],
)
def test_a_network_that_will_not_do(module: nn.Module, message: str, transform: Transform) -> None:
    with pytest.raises(RequestError, match=message):
        Backbone(module, transform=transform, name="mine")


def test_infinite_embeddings(small_network: nn.Module, transform: Transform) -> None:
    with torch.no_grad():
        small_network.conv1.weight[0] = torch.inf
    with pytest.raises(RequestError, match="NaN or infinite"):
        Backbone(small_network, transform=transform)


def test_a_wrong_layer(small_network: nn.Module, transform: Transform) -> None:
    with pytest.raises(RequestError, match=r"no layer 'conv3' in mine.*conv2 \(6 × 8 × 8\)"):
        Backbone(small_network, layer="conv3", transform=transform, name="mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transform": None}, "needs an aisthesis.images.Transform.*NoneType"),
        ({"embed": "max"}, 'None, "pool" or a function.*max'),
        ({"layer": 3}, "dotted path or None"),
    ],
)
def test_arguments_of_the_wrong_kind(
    small_network: nn.Module, transform: Transform, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        Backbone(small_network, **{"transform": transform} | changes)


def test_what_is_no_network(transform: Transform) -> None:
    with pytest.raises(RequestError, match=r"torch\.nn\.Module.*given a str"):
        Backbone("vgg16", transform=transform)  # type: ignore[arg-type]


class Reader(nn.Module):
    """Reads its features by a hook that holds the network, in one way or another."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.seen = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), {}
        self.scale = nn.Parameter(torch.ones(()))
        box = {"net": self}

        def inner(out):
            self.seen["z"] = out * self.scale

        hooks = {
            "closure": lambda m, i, o: self.seen.__setitem__("z", o * self.scale),
            "dictionary": lambda m, i, o, seen=self.seen: seen.__setitem__("z", o),
            "box": lambda m, i, o: box["net"].seen.__setitem__("z", o),
            "nested": lambda m, i, o: inner(o),
            "method": self.keep,
        }
        self.body[1].register_forward_hook(hooks[how])

    def keep(self, _module, _inputs, out):
        self.seen["z"] = out * self.scale

    def forward(self, x):
        self.body(x)
        return self.seen["z"].mean((2, 3))


@pytest.mark.parametrize("how", ["closure", "nested", "method"])
def test_a_copy_is_not_tied_to_the_network_by_its_hooks(how: str) -> None:
    net, x = Reader(how), torch.rand(2, 3, 16, 16)
    net(x[:1].repeat(2, 1, 1, 1))
    kept = net.seen["z"]
    backbone = Backbone(net, layer="body.0", transform=Transform(16, 16, (0.5,) * 3, (0.5,) * 3))
    assert net.seen["z"] is kept
    before = backbone.trunk(x)
    torch.testing.assert_close(before, net(x).detach())
    with torch.no_grad():
        net.scale.mul_(3)
    torch.testing.assert_close(backbone.trunk(x), before)


@pytest.mark.parametrize("how", ["dictionary", "box"])
def test_a_hook_that_ties_a_copy_to_the_network_is_named(how: str) -> None:
    net, transform = Reader(how), Transform(16, 16, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(RequestError, match=r"hook .*lambda.* on module 'body.1' .* copy=False"):
        Backbone(net, layer="body.0", transform=transform)
    x = torch.rand(2, 3, 16, 16)
    backbone = Backbone(net, layer="body.0", transform=transform, copy=False)
    torch.testing.assert_close(backbone.trunk(x), net(x))
