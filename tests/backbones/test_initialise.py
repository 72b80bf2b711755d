from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.backbones import tensors_digest
from aisthesis.backbones.initialise import noise_images, random_network
from aisthesis.backbones.recipe import Network, Recipe, scaled_px
from aisthesis.errors import RequestError
from aisthesis.images import Transform


@pytest.fixture
def recipe(transform: Transform) -> Recipe:
    def build() -> Network:
        layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), ())

    return Recipe("small", "test small", build, transform, "0", None)


def test_the_seed_alone_decides(recipe: Recipe) -> None:
    torch.manual_seed(1)
    first = tensors_digest(random_network(recipe, 5).module)
    torch.manual_seed(2)
    torch.rand(7)
    assert tensors_digest(random_network(recipe, 5).module) == first
    assert tensors_digest(random_network(recipe, 6).module) != first


def test_the_global_random_state_stays(recipe: Recipe) -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    random_network(recipe, 5)
    assert torch.equal(torch.rand(3), expected)


def test_the_number_of_threads_does_not_matter(recipe: Recipe) -> None:
    n_threads = torch.get_num_threads()
    try:
        digests = set()
        for n in (1, 2):
            torch.set_num_threads(n)
            digests.add(tensors_digest(random_network(recipe, 5).module))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(n_threads)
    assert len(digests) == 1


def test_statistics_are_those_of_the_noise_images(recipe: Recipe) -> None:
    module = random_network(recipe, 5).module
    assert not any(part.training for part in module.modules())
    convolved = module[0](noise_images(recipe.transform, 4, 5))
    torch.testing.assert_close(module[1].running_mean, convolved.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(module[1].running_var, convolved.var(dim=(0, 2, 3)))
    assert module[1].momentum == 0.1


def test_noise_images_are_normalised_pictures(transform: Transform) -> None:
    images = noise_images(transform, 3, 0)
    assert images.shape == (3, 3, transform.crop_px, transform.crop_px)
    pixels = images * 0.25 + 0.5
    assert 0 <= pixels.min() < 0.2
    assert 0.8 < pixels.max() <= 1
    assert torch.equal(images, noise_images(transform, 3, 0))


@pytest.mark.parametrize(
    ("sizes", "asked", "expected"),
    [((320, 300), 256, (273, 256)), ((232, 224), None, (232, 224)), ((256, 224), 448, (512, 448))],
)
def test_the_resize_is_scaled_with_the_crop(
    sizes: tuple[int, int], asked: int | None, expected: tuple[int, int]
) -> None:
    assert scaled_px(*sizes, asked) == expected


@pytest.mark.parametrize("asked", [0, 31, 4096, 224.5, True, "224"])
def test_input_px_out_of_range(asked: object) -> None:
    with pytest.raises(RequestError, match="whole number from 32 to 2048"):
        scaled_px(256, 224, asked)
