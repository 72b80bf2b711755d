"""What is declared about the seven is held against torchvision's networks and weights."""

from __future__ import annotations

import pytest
import torch
import torchvision.models
from torch import Tensor, nn
from torchvision.transforms.functional import InterpolationMode

from aisthesis.backbones import KNOWN, backbone, list_layers
from aisthesis.backbones.initialise import noise_images
from aisthesis.backbones.registry import _meta_scan
from aisthesis.backbones.torchvision_networks import known_recipe

METHOD = {  # docs/method.md, section 1
    "vgg16": ("features.28", 224, (512, 14, 14), 4096),
    "vgg19": ("features.28", 224, (512, 14, 14), 4096),
    "resnet152": ("layer4.2.conv3", 224, (2048, 7, 7), 2048),
    "densenet161": ("features.denseblock4.denselayer24.conv2", 224, (48, 7, 7), 2208),
    "efficientnet_b3": ("features.8.0", 256, (1536, 8, 8), 1536),
    "barlow_twins": ("layer4.2.conv3", 224, (2048, 7, 7), 2048),
    "inception_v3": (None, 299, None, 2048),
}
DEEPEST = {
    "vgg16": "features.28",
    "vgg19": "features.34",
    "resnet152": "layer4.2.conv3",
    "densenet161": "features.denseblock4.denselayer24.conv2",
    "efficientnet_b3": "features.8.0",
    "barlow_twins": "layer4.2.conv3",
    "inception_v3": "Mixed_7c.branch_pool.conv",
}


def test_the_declaration_is_the_method_s() -> None:
    declared = {k.name: (k.layer, k.input_px, k.map_shape, k.embedding_dim) for k in KNOWN.values()}
    assert declared == METHOD


@pytest.mark.parametrize("name", METHOD)
def test_the_networks_are_as_declared(name: str) -> None:
    known = KNOWN[name]
    scan = _meta_scan(known_recipe(known))
    assert isinstance(scan.output, Tensor)
    assert scan.output.shape == (2, known.embedding_dim)
    assert sum(p.numel() for p in scan.module.parameters()) == known.n_parameters
    if known.layer is not None:
        assert scan.layer(known.layer).shape == known.map_shape
    assert scan.deepest().path == DEEPEST[name]


@pytest.mark.parametrize("name", sorted(set(METHOD) - {"barlow_twins"}))
def test_the_files_are_torchvision_s_default_weights(name: str) -> None:
    known = KNOWN[name]
    weights = torchvision.models.get_model_weights(known.network).DEFAULT
    assert known.transform_of == str(weights)
    assert known.weights.url == weights.url
    assert weights.url.endswith(f"{known.weights.sha256_prefix}.pth")
    assert len(known.weights.sha256_prefix) == 8


def test_barlow_twins_cannot_be_mistaken_in_the_cache() -> None:
    weights = KNOWN["barlow_twins"].weights
    assert weights.url.startswith("https://dl.fbaipublicfiles.com/barlowtwins/ep1000")
    assert weights.file_name == "resnet50.pth"
    assert weights.name_in_cache != weights.file_name


@pytest.mark.parametrize(("name", "resize_px"), [("vgg16", 256), ("resnet152", 232)])
def test_transforms_are_the_weights_own(name: str, resize_px: int) -> None:
    transform = known_recipe(KNOWN[name]).transform
    preset = torchvision.models.get_weight(KNOWN[name].transform_of).transforms()
    assert (transform.resize_px, transform.crop_px) == (resize_px, preset.crop_size[0])
    assert transform.mean == tuple(preset.mean)
    assert transform.std == tuple(preset.std)
    assert transform.interpolation == InterpolationMode.BILINEAR.value


def test_efficientnet_sees_256_px_in_the_official_proportion() -> None:
    transform = known_recipe(KNOWN["efficientnet_b3"]).transform
    assert (transform.resize_px, transform.crop_px) == (273, 256)
    assert transform.interpolation == "bicubic"


def test_efficientnet_at_its_official_size_gives_the_larger_map() -> None:
    shapes = {layer.path: layer.shape for layer in list_layers("efficientnet_b3", input_px=300)}
    assert shapes["features.8.0"] == (1536, 10, 10)


def test_the_classifier_is_all_that_is_taken_off_vgg() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = torchvision.models.vgg11().eval()
    state = whole.state_dict()
    from aisthesis.backbones.torchvision_networks import torchvision_recipe

    recipe = torchvision_recipe("torchvision:vgg11")
    built = recipe.build()
    assert built.dropped == ("classifier.6",)
    kept = {k: v for k, v in state.items() if not k.startswith("classifier.6.")}
    built.module.load_state_dict(kept)
    images = noise_images(recipe.transform, 1, 0)
    with torch.no_grad():
        second_layer = nn.Sequential(*whole.classifier[:5])(
            whole.avgpool(whole.features(images)).flatten(1)
        )
        assert torch.equal(built.module.eval()(images), second_layer)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHOD)
def test_random_weights_at_full_size(name: str) -> None:
    made = backbone(name, weights="random", seed=1)  # checks itself against the declaration
    assert (made.layer, made.input_px, made.map_shape, made.embedding_dim) == METHOD[name]
    with torch.no_grad():
        embedding = made.trunk(noise_images(made.transform, 2, 7))
    assert 1e-3 < embedding.abs().mean() < 1e3
    assert (embedding[0] != embedding[1]).float().mean() > 0.3
