from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision.models
from PIL import Image
from torch import nn

from aisthesis.backbones import KNOWN, Backbone, WeightsFile, backbone, list_layers, registry
from aisthesis.backbones.known import KnownBackbone
from aisthesis.errors import AisthesisError, RequestError

SQUEEZENET = "torchvision:squeezenet1_0"


@pytest.fixture(scope="module")
def squeezenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole state dict of SqueezeNet 1.1, its classifier included, with random values."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1()
    path = tmp_path_factory.mktemp("weights") / "squeezenet1_1.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    return path


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(RequestError, match="no backbone 'vgg61'; the nearest: vgg19 or vgg16"):
        backbone("vgg61")


def test_a_torchvision_network_without_its_prefix() -> None:
    with pytest.raises(RequestError, match="the nearest: torchvision:resnet18, "):
        backbone("resnet18")


@pytest.mark.parametrize(
    ("name", "near"),
    [("torchvision:resnet5", "torchvision:resnet50"), ("torchvision:vgg_16", "torchvision:vgg16")],
)
def test_an_unknown_torchvision_network(name: str, near: str) -> None:
    with pytest.raises(RequestError, match=f"classification network.*{near}"):
        list_layers(name)


def test_the_densenet_layer_of_the_original_description() -> None:
    with pytest.raises(RequestError) as caught:
        backbone("densenet161", layer="features.denseblock4.denselayer32.norm1", weights="random")
    message = str(caught.value)
    for part in ["24 layers", "48 × 7 × 7", "features.denseblock4.denselayer24.conv2"]:
        assert part in message


@pytest.mark.parametrize(
    ("name", "layer", "near"),
    [
        ("resnet152", "layer4.2.cnv3", "layer4.2.conv3"),
        ("resnet152", "features.7.2.conv33", "layer4.2.conv3"),
        ("barlow_twins", "layer4.5.conv3", "layer4.2.conv3"),
        ("vgg19", "features.43", "features.34"),
        ("densenet161", "features.denseblock4.denselayer25.conv2", "denselayer24.conv2"),
        ("efficientnet_b3", "features.8.5", "features.8.0"),
        ("inception_v3", "Mixed_7c.branch_pol.conv", "Mixed_7c.branch_pool.conv"),
    ],
)
def test_a_misspelt_layer_is_found_before_weights_are_sought(
    name: str, layer: str, near: str, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        pytest.fail("weights were sought")

    monkeypatch.setattr(registry, "_with_weights", never)
    with pytest.raises(RequestError, match=rf"no layer '{layer}' in {name}.*{near}"):
        backbone(name, layer=layer)


def test_both_spellings_and_deepest_are_one_layer() -> None:
    layers = [
        backbone("torchvision:resnet18", layer=layer, weights="random", input_px=64).layer
        for layer in ("features.7.1.conv2", "layer4.1.conv2", "deepest", None)
    ]
    assert layers == ["layer4.1.conv2"] * 4


def test_layer_none_is_prediction_only(squeezenet_file: Path) -> None:
    made = backbone("torchvision:squeezenet1_1", layer="none", weights=squeezenet_file)
    assert made.layer is None
    assert made.map_shape is None


def test_a_classifier_in_the_file_is_passed_over(squeezenet_file: Path) -> None:
    made = backbone("torchvision:squeezenet1_1", weights=squeezenet_file)
    given = safetensors.torch.load_file(squeezenet_file)
    held = made.module.state_dict()
    assert set(given) - set(held) == {"classifier.1.weight", "classifier.1.bias"}
    assert all(torch.equal(held[name], given[name]) for name in held)
    assert made.weights.kind == "file"
    assert made.weights.source == str(squeezenet_file)


def test_weights_of_another_network(squeezenet_file: Path) -> None:
    with pytest.raises(RequestError, match=r"12 missing: .* 12 unexpected: .* of another shape: "):
        backbone(SQUEEZENET, weights=squeezenet_file)


@pytest.mark.parametrize("weights", ["defualt", "weights/of/mine"])
def test_weights_that_are_nothing(weights: str) -> None:
    with pytest.raises(RequestError, match=rf'"default", "random" or the path.*{weights}'):
        backbone("vgg16", weights=weights)


def test_no_file_of_weights() -> None:
    with pytest.raises(RequestError, match=r"no file of weights at .*nowhere\.pth"):
        backbone("vgg16", weights="nowhere.pth")


def test_random_weights_say_so() -> None:
    made = backbone("torchvision:squeezenet1_1", weights="random", seed=3, input_px=64)
    again = backbone("torchvision:squeezenet1_1", weights="random", seed=3, input_px=64)
    assert made.fingerprint == again.fingerprint
    assert "random (seed 3)" in (made.weights.warning or "")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(RequestError, match=f"device '{device}' cannot be used here"):
        backbone("vgg16", device=device)


def official(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    """Let a known backbone's official file be another one."""
    fields = {f: getattr(KNOWN[name], f) for f in KnownBackbone.__dataclass_fields__}
    monkeypatch.setitem(KNOWN, name, KnownBackbone(**fields | changes))


def test_official_weights_from_a_folder(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.resnet50()
    network.fc = nn.Identity()
    path = tmp_path / "resnet50.pth"
    torch.save(network.state_dict(), path)
    made = backbone("barlow_twins", weights_dir=tmp_path)
    assert made.weights.kind == "official"
    assert made.weights.source == KNOWN["barlow_twins"].weights.url
    assert made.weights.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.equal(made.module.layer4[2].conv3.weight, network.layer4[2].conv3.weight)

    wrong = WeightsFile("https://example.org/resnet50.pth", "resnet50.pth", "00000000")
    official(monkeypatch, "barlow_twins", weights=wrong)
    with pytest.raises(AisthesisError, match="should begin with 00000000"):
        backbone("barlow_twins", weights_dir=tmp_path)


def test_another_resnet50_is_not_taken_for_barlow_twins(tmp_path: Path, hub: Path) -> None:
    with torch.device("meta"):
        network = torchvision.models.resnet50()
    state = {name: torch.zeros(t.shape, dtype=t.dtype) for name, t in network.state_dict().items()}
    torch.save(state, tmp_path / "resnet50.pth")
    with pytest.raises(RequestError, match=r"2 unexpected: fc\.bias, fc\.weight"):
        backbone("barlow_twins", weights_dir=tmp_path)


def test_what_differs_from_the_declaration_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    official(monkeypatch, "efficientnet_b3", embedding_dim=1537, map_shape=(1536, 7, 7))
    message = r"embedding size 1536 instead of 1537; map shape \(1536, 8, 8\) instead of"
    with pytest.raises(AisthesisError, match=message):
        backbone("efficientnet_b3", weights="random")


def test_inception_normalises_as_its_official_weights_want(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        official = torchvision.models.inception_v3(init_weights=False, transform_input=True)
    path = tmp_path / "inception.pth"
    torch.save(official.state_dict(), path)  # with the auxiliary classifier, like the true file
    made = backbone("inception_v3", weights=path, layer="Mixed_6e.branch_pool.conv", input_px=96)
    assert made.map_shape == (192, 4, 4)
    official.fc = nn.Identity()
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(made.trunk(images), official.eval()(images))


@pytest.mark.parametrize(
    ("name", "kind", "channel_axis"),
    [
        ("torchvision:vit_b_32", "tokens", -1),
        ("torchvision:convnext_tiny", "channels_last", -1),
        ("torchvision:regnet_y_400mf", "channels_first", 1),
        ("torchvision:mobilenet_v3_small", "channels_first", 1),
    ],
)
def test_other_families_have_maps(name: str, kind: str, channel_axis: int) -> None:
    layers = list_layers(name)
    layout = (
        layers[-1].layout
        if kind != "channels_last"
        else next(layer.layout for layer in layers if layer.path == "features.7.2.block.5")
    )
    assert (layout.kind, layout.channel_axis) == (kind, channel_axis)


def test_list_layers_holds_every_layer_with_a_grid() -> None:
    layers = {layer.path: layer for layer in list_layers("vgg16")}
    assert len(layers) == 33  # features, its 31 parts, avgpool
    assert layers["features.28"].kind == "Conv2d"
    assert layers["features.28"].shape == (512, 14, 14)
    assert layers["avgpool"].shape == (512, 7, 7)
    assert not any(path.startswith("classifier") for path in layers)


@pytest.fixture(scope="module")
def squeezenet(shared: Path) -> Backbone:
    weights = shared / "weights" / "squeezenet1_0.safetensors"
    return backbone(SQUEEZENET, layer="features.12", weights=weights)


def test_real_weights_recognise_the_macaws(squeezenet: Backbone, shared: Path) -> None:
    whole = torchvision.models.squeezenet1_0()
    weights = safetensors.torch.load_file(shared / "weights" / "squeezenet1_0.safetensors")
    whole.load_state_dict(weights)
    photograph = Image.open(shared / "data" / "raise" / "images" / "r1.jpg").convert("RGB")
    images = squeezenet.transform(photograph)[None]
    with torch.no_grad():
        probabilities = whole.eval()(images).softmax(1)[0]
        embedding = squeezenet.trunk(images)
        expected = whole.features(images).mean((2, 3))
    categories = torchvision.models.SqueezeNet1_0_Weights.IMAGENET1K_V1.meta["categories"]
    assert categories[int(probabilities.argmax())] == "macaw"
    assert probabilities.max() > 0.99
    torch.testing.assert_close(embedding, expected)


def test_real_weights_shapes(squeezenet: Backbone) -> None:
    assert squeezenet.map_shape == (512, 13, 13)
    assert squeezenet.embedding_dim == 512
    assert squeezenet.weights.file_sha256.startswith("8d7e9aab")
