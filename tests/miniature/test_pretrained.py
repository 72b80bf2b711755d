from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.linear_model import RidgeCV
from torch import Tensor

import aisthesis as ais
from aisthesis.backbones import KNOWN, Backbone
from aisthesis.backbones.torchvision_networks import known_recipe
from aisthesis.config.common import BackboneConfig
from aisthesis.errors import RequestError
from aisthesis.miniature import MINIATURES, miniature_backbone, render_image, training_record
from aisthesis.miniature import pretrained as module
from aisthesis.studies.shared.catalogue import asked_transform, build

WEIGHTS = Path(module.__file__).parent / "weights"


@pytest.fixture(scope="module")
def study() -> tuple[list, np.ndarray]:
    images = [render_image(np.random.default_rng([1, 99, k]), 224) for k in range(120)]
    return images, np.array([image.scene.true_rating for image in images])


def embedded(made: Backbone, images: list) -> np.ndarray:
    batch = torch.stack([made.transform(Image.fromarray(image.pixels)) for image in images])
    with torch.inference_mode():
        return torch.cat([made.trunk(part) for part in batch.split(32)]).numpy()


@pytest.mark.parametrize("name", MINIATURES)
def test_frozen_embeddings_predict_held_out_planted_ratings(
    name: str, study: tuple[list, np.ndarray]
) -> None:
    images, truth = study
    embedding = embedded(miniature_backbone(name), images)
    standard = (embedding - embedding[:80].mean(0)) / (embedding[:80].std(0) + 1e-6)
    ridge = RidgeCV(np.logspace(0, 4, 9)).fit(standard[:80], truth[:80])
    assert np.corrcoef(ridge.predict(standard[80:]), truth[80:])[0, 1] >= 0.85


@pytest.mark.parametrize("name", MINIATURES)
def test_map_size_input_and_layer_are_those_of_the_full_size_backbone(name: str) -> None:
    made = miniature_backbone(f"miniature:{name}")
    known = KNOWN[name]
    assert made.map_shape is not None
    assert known.map_shape is not None
    assert made.map_shape[1:] == known.map_shape[1:]
    assert made.layer == known.layer
    assert made.input_px == known.input_px
    assert made.weights.kind == "miniature"
    assert made.name == f"miniature:{name}"
    assert not any(p.requires_grad for p in made.trunk.parameters())


@pytest.mark.parametrize("name", MINIATURES)
def test_the_transform_is_that_of_the_full_size_backbone(name: str) -> None:
    full = known_recipe(KNOWN[name]).transform
    assert miniature_backbone(name).transform == full


def test_the_weights_are_small_and_recorded() -> None:
    files = sorted(WEIGHTS.glob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) <= 10_000_000
    assert {file.stem for file in files} == set(MINIATURES) == set(training_record())
    for name, record in training_record().items():
        assert {"seed", "seconds", "ridge_plcc", "objective"} <= set(record)
        assert record["bytes"] == (WEIGHTS / f"{name}.safetensors").stat().st_size


def test_random_weights_follow_their_seed() -> None:
    digests = [
        miniature_backbone("barlow_twins", weights="random", seed=seed).weights.sha256
        for seed in (1, 1, 2)
    ]
    assert digests[0] == digests[1] != digests[2]
    made = miniature_backbone("barlow_twins", weights="random")
    assert made.weights.kind == "random"
    assert made.weights.warning


def test_an_embedding_does_not_depend_on_its_batch() -> None:
    images = torch.rand(2, 3, 224, 224)
    made = miniature_backbone("vgg16")
    with torch.inference_mode():
        together = made.trunk(images)
        alone = torch.cat([made.trunk(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_weights_from_a_file_are_the_same_network(tmp_path: Path) -> None:
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes((WEIGHTS / "vgg16.safetensors").read_bytes())
    mine, own = miniature_backbone("vgg16", weights=copy), miniature_backbone("vgg16")
    assert mine.weights.sha256 == own.weights.sha256
    assert mine.weights.kind == "file"


def _without_one(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key != "features.0.weight"}


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "short.safetensors"
    save_file(_without_one(load_file(WEIGHTS / "vgg16.safetensors")), file)
    with pytest.raises(RequestError, match=r"does not fit miniature:vgg16.*features\.0\.weight"):
        miniature_backbone("vgg16", weights=file)
    file.write_bytes(b"nothing")
    with pytest.raises(RequestError, match="cannot be read as safetensors"):
        miniature_backbone("vgg16", weights=file)
    with pytest.raises(RequestError, match="there is no file"):
        miniature_backbone("vgg16", weights=tmp_path / "absent.safetensors")


def test_unknown_miniatures_and_layers_are_refused() -> None:
    with pytest.raises(RequestError, match="did you mean vgg1"):
        miniature_backbone("miniature:vgg13")
    with pytest.raises(RequestError, match="denselayer24"):
        miniature_backbone("densenet161", layer="features.denseblock4.denselayer42.conv2")


@pytest.mark.parametrize(("name", "resize_px"), [("vgg16", 109), ("efficientnet_b3", 102)])
def test_the_input_that_is_asked_for_is_that_of_study_and_network(name, resize_px):
    made = ais.backbone(f"miniature:{name}", input_px=96)
    assert made.input_size_px == (96, 96)
    assert made.transform.resize_px == resize_px
    asked = BackboneConfig(name=f"miniature:{name}", input_px=96)
    assert asked_transform(asked) == made.transform
    assert build(asked, weights_dir=None, seed=0).transform == made.transform
    with pytest.raises(RequestError, match="input_px should be a whole number from 32 to 2048"):
        asked_transform(asked.model_copy(update={"input_px": 4096}))
