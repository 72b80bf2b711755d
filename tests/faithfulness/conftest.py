from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn


class LinearOnPixels(nn.Module):
    """A prediction that is a weighted sum of pixels: what each pixel is worth is known."""

    def __init__(self, side: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(
            torch.randn(3, side, side, generator=generator, dtype=torch.float64)
        )

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.weight).sum((1, 2, 3)) + 4.0


@dataclass(frozen=True)
class Known:
    model: LinearOnPixels
    images: Tensor
    truth: np.ndarray  # what replacing each pixel by its channel's mean takes away, (N, H, W)


def known_images(n: int) -> Known:
    side = 12
    model = LinearOnPixels(side, seed=1)
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(n, 3, side, side, generator=generator, dtype=torch.float64)
    mean = images.mean((2, 3), keepdim=True)
    truth = (model.weight.detach() * (images - mean)).sum(1).numpy()
    return Known(model, images, truth)


@pytest.fixture(scope="session")
def known() -> Known:
    return known_images(6)


@pytest.fixture(scope="session")
def many_known() -> Known:
    """So many images that intervals of differences are narrow."""
    return known_images(24)
