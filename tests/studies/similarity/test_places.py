"""Maps by place in a study of similarity judgments, against hooks on the network itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import aisthesis as ais
from aisthesis.images import ImageFolder
from aisthesis.judgments.similarity.nearest import most_alike, nearest
from aisthesis.studies.shared.network import NetworkSpec
from aisthesis.studies.similarity.align import align_dependencies

NAME, N = "miniature:vgg16", 9


@pytest.fixture(scope="module")
def study(planted, tmp_path_factory):
    """A max pool follows the layer's ReLU; one image is judged beside no other but two."""
    root = tmp_path_factory.mktemp("align-places")
    names = list(ImageFolder(planted.images).names)[:N]
    upper = np.triu(np.random.default_rng(5).random((N, N)), 1)
    human = upper + upper.T
    human[1, 3:] = human[3:, 1] = np.nan
    np.savez(root / "judged.npz", dissimilarity=human, images=np.array(names))
    return ais.Alignment(
        images=planted.images,
        judgments=root / "judged.npz",
        out=root / "s",
        backbones=[NAME],
        folds=2,
        repeats=1,
        sizes=2,
        batch_size=4,
        device="cpu",
    ).run()


@pytest.fixture(scope="module")
def backbone():
    return ais.backbone(NAME)


@pytest.fixture(scope="module")
def pixels(study, backbone) -> torch.Tensor:
    folder = ImageFolder(study.config.images)
    return torch.stack([backbone.transform(folder.load(n)) for n in study.inputs.names])


def without(backbone, pixel, y, x, reach=2) -> np.ndarray:
    """The embedding of one image without the places around (y, x)."""

    def hook(_module, _inputs, output):
        output = output.clone()
        output[..., max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = 0
        return output

    handle = backbone.trunk.get_submodule(backbone.trunk_layer).register_forward_hook(hook)
    with torch.no_grad():
        found = backbone.trunk(pixel[None]).double().numpy()[0]
    handle.remove()
    return found


def test_a_place_is_worth_what_the_agreement_and_the_similarity_lose(
    study, backbone, pixels
) -> None:
    with study.maps(NAME) as stored:
        maps, pairs = stored["alignment_place"].values, stored["pair_place"].values
        assert stored["alignment_place"].dims == ("image", "y", "x")
        assert "without the place" in stored["alignment_place"].attrs["long_name"]
        partner = stored["partner"].values.tolist()
        assert (stored.attrs["window"], stored.attrs["replace"]) == (5, "zero")
    human, names = study.inputs.human, study.inputs.names
    with torch.no_grad():
        z = backbone.trunk(pixels).double().numpy()

    def agreement(own: np.ndarray, i: int) -> float:
        judged = [j for j in range(N) if j != i and np.isfinite(human[i, j])]
        alike = [np.corrcoef(own, z[j])[0, 1] for j in judged]
        return float(np.corrcoef(alike, -human[i, judged])[0, 1])

    assert maps.shape == pairs.shape == (N, *backbone.map_shape[1:])
    assert np.isnan(maps[1]).all() == (np.isfinite(human[1]).sum() - 1 < 3)
    seen = 0
    for i in (0, 7):  # in the first batch and in the second
        j = int(np.nanargmin(np.where(np.eye(N)[i] > 0, np.nan, human[i])))
        assert partner[i] == names[j]
        for y, x in ((0, 0), (6, 8), (13, 5)):
            removed = without(backbone, pixels[i], y, x)
            lost = agreement(z[i], i) - agreement(removed, i)
            assert maps[i, y, x] == pytest.approx(lost, abs=1e-5)
            pair = np.corrcoef(z[i], z[j])[0, 1] - np.corrcoef(removed, z[j])[0, 1]
            assert pairs[i, y, x] == pytest.approx(pair, abs=1e-5)
            seen += abs(lost) > 1e-4
    assert seen


def test_where_a_relu_follows_its_output_is_weighted(study, backbone, pixels) -> None:
    layer = backbone.trunk.get_submodule(backbone.trunk_layer)
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, output: kept.append(output.clone()))
    with torch.no_grad():
        backbone.trunk(pixels)
    handle.remove()
    activation = kept[0].double().numpy()
    with study.maps(NAME) as stored:
        assert stored.attrs["rectified"]
        found, importance = stored["alignment"].values, stored["importance"].values.astype(float)
    positive = np.maximum(np.nan_to_num(importance), 0)
    defined = positive.any(1)
    assert defined.sum() > N / 2
    assert (np.isnan(found).all((1, 2)) == ~defined).all()
    shares = positive / np.maximum(positive.sum(1, keepdims=True), 1e-30)
    expected = np.einsum("nc,nchw->nhw", shares, np.maximum(activation, 0))
    np.testing.assert_allclose(found[defined], expected[defined], rtol=1e-4, atol=1e-6)
    assert (activation < 0).any()  # so that it makes a difference


def test_what_removes_places_is_part_of_the_stages_key(study) -> None:
    windows = [study.config.places.model_copy(update={"window": one}) for one in ("auto", 1, 3)]
    configs = [study.config.model_copy(update={"places": one}) for one in windows]
    spec = NetworkSpec.of(study.config, study.config.backbones[0])
    assert len({str(align_dependencies(config, study.inputs, spec)) for config in configs}) == 3


def test_the_record_says_how_places_were_removed(study) -> None:
    facts = study.folder.provenance()["backbones"][NAME]
    assert facts["places"]["window"] == 5
    assert "windows of 5 × 5: a max pool follows" in facts["places"]["plan"]
    with study.maps(NAME) as stored:
        undefined = np.isnan(stored["alignment_place"].values).any((1, 2)).sum()
    assert facts["images_without_place_map"] == undefined


def test_whom_people_find_most_alike() -> None:
    human = np.array([[0, 3, 1, 9], [3, 0, 1, np.nan], [1, 1, 0, np.nan], [9, np.nan, np.nan, 0]])
    assert nearest(human).tolist() == [2, 2, 0, 0]
    assert most_alike(human) == (0, 2)
    nobody = np.where(np.eye(4) > 0, 0.0, np.nan)
    assert nearest(nobody).tolist() == [-1] * 4
    assert most_alike(nobody) is None
    negative = np.array([[0.0, -1, 2], [-1, 0, 2], [2, 2, 0]])
    assert most_alike(negative) == (0, 1)
