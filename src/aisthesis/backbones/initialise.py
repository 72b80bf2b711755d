"""Random weights: the same for the same seed, and of a size that a head can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aisthesis.backbones.recipe import Network, Recipe
from aisthesis.images import Transform

__all__ = ["noise_images", "random_network"]

CALIBRATION_IMAGES = 4
COARSE_PX = 8


def random_network(recipe: Recipe, seed: int) -> Network:
    """Build a network with random weights, leaving PyTorch's random state as it was.

    With BatchNorm left at its initial statistics (mean 0, variance 1) the embeddings of deep
    networks explode or vanish: measured on noise images, their mean magnitude is 3e7 for
    ResNet152, 1e10 for InceptionV3 and 3e-15 for EfficientNetB3. So the statistics are set from
    one pass of seeded noise images, on one thread so that they do not depend on how many there
    are. The weights themselves are the library's own initialisation.

    Parameters
    ----------
    recipe : Recipe
        What to build.
    seed : int
        Seed of the weights and of the noise images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed CUDA as well
        network = recipe.build()
    norms = [part for part in network.module.modules() if isinstance(part, _BatchNorm)]
    if norms:
        images = noise_images(recipe.transform, CALIBRATION_IMAGES, seed)
        _calibrate(network.module, norms, images)
    return network


def noise_images(transform: Transform, n_images: int, seed: int) -> Tensor:
    """Make normalised noise images (N, 3, crop, crop), half coarse blotches and half pixel noise.

    Parameters
    ----------
    transform : Transform
        Gives the size and the normalisation.
    n_images : int
        N.
    seed : int
        The same seed gives the same images.
    """
    generator = torch.Generator().manual_seed(seed)
    height, width = transform.size_px
    coarse = torch.rand(n_images, 3, COARSE_PX, COARSE_PX, generator=generator)
    blotches = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    fine = torch.rand(n_images, 3, height, width, generator=generator)
    mean = torch.tensor(transform.mean).reshape(3, 1, 1)
    std = torch.tensor(transform.std).reshape(3, 1, 1)
    return ((blotches + fine) / 2 - mean) / std


def _calibrate(module: nn.Module, norms: list[_BatchNorm], images: Tensor) -> None:
    module.eval()  # dropout stays off; only the statistics move
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over passes, and there is one
            norm.train()
        with torch.no_grad(), _one_thread():
            module(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
