from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aisthesis.backbones import backbone, list_layers
from aisthesis.backbones.timm_networks import timm_recipe
from aisthesis.errors import AisthesisError, RequestError

timm = pytest.importorskip("timm.data") and pytest.importorskip("timm")


def test_without_timm_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RequestError, match=r"pip install 'aisthesis\[timm\]'"):
        backbone("timm:resnet18")


def test_an_unknown_network() -> None:
    with pytest.raises(RequestError, match="timm has no network 'resnt18'; the nearest: timm:resn"):
        backbone("timm:resnt18")


def test_unknown_weights_of_a_network() -> None:
    with pytest.raises(RequestError, match=r"no weights 'a1_in2k' for resnet18; .*\.a1_in1k"):
        backbone("timm:resnet18.a1_in2k")


def test_a_local_file_with_a_classifier(tmp_path: Path) -> None:
    whole = timm.create_model("resnet10t", pretrained=False).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    made = backbone("timm:resnet10t", layer="layer4.0.conv2", weights=tmp_path / "w.pth")
    images = torch.randn(2, 3, made.input_px, made.input_px)
    with torch.no_grad():
        expected = whole.forward_head(whole.forward_features(images), pre_logits=True)
        torch.testing.assert_close(made.trunk(images), expected)
    assert made.map_shape == (512, 6, 6)


def test_the_transform_is_the_weights_own() -> None:
    made = backbone("timm:resnet10t", weights="random", input_px=64)
    config = timm.get_pretrained_cfg("resnet10t")
    assert made.transform.interpolation == config.interpolation
    assert made.transform.mean == config.mean
    side = config.input_size[-1]
    assert made.transform.resize_px == int(side / config.crop_pct) * 64 // side


def _geometry(name: str) -> tuple[object, ...]:
    config = timm.get_pretrained_cfg(name).to_dict()
    data = timm.data.resolve_data_config({}, pretrained_cfg=config)
    return tuple(sorted((key, str(value)) for key, value in data.items()))


def test_every_pretrained_configuration_has_its_own_pixels() -> None:
    # One network of each kind of preprocessing; every 10th of plain centre crops by its pixels.
    one_of_each = {_geometry(name): name for name in timm.list_pretrained()}
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 60, 3), np.uint8))
    modes, sizes = set(), set()
    for number, (geometry, name) in enumerate(sorted(one_of_each.items())):
        ours = timm_recipe(f"timm:{name}").transform
        facts = dict(geometry)
        usual = facts["crop_mode"] == "center" and float(facts["crop_pct"]) <= 1
        if usual and number % 10:
            continue
        data = timm.data.resolve_data_config(
            {}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()
        )
        theirs = timm.data.create_transform(**data, is_training=False)
        for image in (picture, picture.transpose(Image.Transpose.TRANSPOSE)):
            assert torch.equal(ours(image), theirs(image)), name
        modes |= {(facts["crop_mode"], facts["interpolation"])}
        sizes |= {ours.size_px}
    assert {mode for mode, _ in modes} == {"center", "squash", "border"}
    assert {how for _, how in modes} == {"bicubic", "bilinear"}
    assert any(height != width for height, width in sizes)


def test_a_transform_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = timm.get_pretrained_cfg("resnet10t")
    other = dataclasses.replace(known, crop_mode="border", crop_pct=0.9)
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda *_, **__: other)
    with pytest.raises(RequestError, match=r"crop_mode 'border', crop_pct 0\.9"):
        timm_recipe("timm:resnet10t")


def test_a_transformer_of_another_size() -> None:
    made = backbone("timm:vit_tiny_patch16_224", weights="random", input_px=96)
    assert made.layout is not None
    assert made.layout.kind == "tokens"
    assert made.map_shape == (192, 6, 6)


def test_layers_of_a_network() -> None:
    shapes = {layer.path: layer.shape for layer in list_layers("timm:resnet10t", input_px=64)}
    assert shapes["layer4.0.conv2"] == (512, 2, 2)


def test_official_weights_come_from_the_folder_or_are_asked_for_by_name(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib.error
    import urllib.request

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    tag = timm.get_pretrained_cfg("resnet10t").tag
    pattern = rf"resnet10t\.{tag}\.safetensors .*huggingface\.co/timm/resnet10t\.{tag}/.*no network"
    with pytest.raises(AisthesisError, match=pattern):
        backbone("timm:resnet10t", weights_dir=tmp_path)

    import safetensors.torch

    whole = timm.create_model("resnet10t", pretrained=False)
    safetensors.torch.save_file(whole.state_dict(), tmp_path / f"resnet10t.{tag}.safetensors")
    assert backbone("timm:resnet10t", weights_dir=tmp_path).weights.kind == "official"
