"""What makes two images alike for a network, against hooks on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import aisthesis as ais
from aisthesis.errors import RequestError

PX = 32


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> list[Path]:
    """Two wide pictures of noise; the network sees their middle."""
    folder = tmp_path_factory.mktemp("pair")
    rng = np.random.default_rng(2)
    paths = [folder / "one.png", folder / "other.png"]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (PX, 2 * PX, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def pooled() -> ais.Backbone:
    """A max pool and a linear layer after the layer: windows of 5 × 5."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 9)
    )
    transform = ais.Transform(PX, PX, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return ais.Backbone(network, layer="0", transform=transform)


def by_hooks(backbone: ais.Backbone, paths: list[Path], window: int, replace: str) -> np.ndarray:
    """S_ij minus S_ij without each place of one of the two, one run for each."""
    pixels = torch.stack([backbone.transform(Image.open(path)) for path in paths])
    layer = backbone.trunk.get_submodule(backbone.trunk_layer)
    reach = window // 2

    def similarity(image: int, y: int, x: int) -> float:
        def hook(_module, _inputs, output):
            output = output.clone()
            own = output[image]
            stand_in = own.mean((1, 2))[:, None, None] if replace == "mean" else 0.0
            own[:, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = stand_in
            return output

        handle = layer.register_forward_hook(hook)
        with torch.no_grad():
            found = backbone.trunk(pixels).double().numpy()
        handle.remove()
        return float(np.corrcoef(found)[0, 1])

    with torch.no_grad():
        intact = float(np.corrcoef(backbone.trunk(pixels).double().numpy())[0, 1])
    _, rows, columns = backbone.map_shape
    return np.array([
        [[intact - similarity(i, y, x) for x in range(columns)] for y in range(rows)]
        for i in (0, 1)
    ])  # fmt: skip


@pytest.mark.parametrize(("window", "replace"), [(1, "zero"), (3, "mean"), ("auto", "zero")])
def test_each_place_counts_by_what_the_similarity_loses(
    pooled, photographs, window, replace
) -> None:
    found = ais.explain_pair(pooled, *photographs, window=window, replace=replace)
    assert found.dims == ("image", "y", "x")
    assert found["image"].values.tolist() == ["one.png", "other.png"]
    assert found.attrs["window"] == (5 if window == "auto" else window)
    exact = by_hooks(pooled, photographs, found.attrs["window"], replace)
    np.testing.assert_allclose(found, exact, atol=2e-6)
    assert abs(exact).max() > 1e-3
    seen = found.sel(image="one.png")
    assert [float(seen[f"crop_{edge}"]) for edge in ("left", "right")] == [PX / 2, 1.5 * PX]
    turned = ais.explain_pair(pooled, *photographs[::-1], window=window, replace=replace)
    np.testing.assert_allclose(turned.values[::-1], found.values, atol=2e-6)
    assert turned.attrs["similarity"] == pytest.approx(found.attrs["similarity"])


def test_what_two_images_share_makes_them_alike() -> None:
    """A red square in both, a green one in one, a blue one in the other."""
    network = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.eye(3)[:, :, None, None])
    transform = ais.Transform(8, 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    backbone = ais.Backbone(nn.Sequential(network), layer="0", transform=transform, embed="pool")
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    pictures[0, 1:4, 1:4, 0] = pictures[1, 4:7, 4:7, 0] = 255
    pictures[0, 4:7, 4:7, 1] = pictures[1, 1:4, 1:4, 2] = 255
    found = ais.explain_pair(backbone, *(Image.fromarray(picture) for picture in pictures))
    assert found["image"].values.tolist() == ["first", "second"]
    first, second = found.values
    assert (first[1:4, 1:4] > 0).all()
    assert (second[4:7, 4:7] > 0).all()
    assert (first[4:7, 4:7] < 0).all()
    assert (second[1:4, 1:4] < 0).all()
    assert (first[0] == 0).all()


def test_a_constant_embedding_has_no_similarity(pooled, photographs) -> None:
    dead = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Hardtanh(0.0, 1e-30))
    nn.init.constant_(dead[0].bias, 10.0)
    nn.init.zeros_(dead[0].weight)
    backbone = ais.Backbone(dead, layer="0", transform=pooled.transform, embed="pool")
    found = ais.explain_pair(backbone, *photographs)
    assert np.isnan(found.attrs["similarity"])
    assert np.isnan(found).all()


def test_wrong_requests_are_refused_in_words(pooled, photographs, tmp_path) -> None:
    one, other = photographs
    blind = ais.Backbone(pooled.trunk, transform=pooled.transform)
    with pytest.raises(RequestError, match="predicts only; name a layer"):
        ais.explain_pair(blind, one, other)
    with pytest.raises(RequestError, match="expected window to be 1, 3, 5"):
        ais.explain_pair(pooled, one, other, window=2)
    with pytest.raises(RequestError, match="replace"):
        ais.explain_pair(pooled, one, other, replace="noise")
    with pytest.raises(RequestError, match=r"gone\.png is not in the image folder"):
        ais.explain_pair(pooled, one, one.parent / "gone.png")
    with pytest.raises(RequestError, match="no image folder"):
        ais.explain_pair(pooled, tmp_path / "nowhere" / "a.png", other)
    with pytest.raises(RequestError, match="path of an image or a PIL image, got ndarray"):
        ais.explain_pair(pooled, one, np.zeros((PX, PX, 3)))
    (tmp_path / "text.png").write_text("no")
    with pytest.raises(RequestError, match=r"text\.png"):
        ais.explain_pair(pooled, one, tmp_path / "text.png")
