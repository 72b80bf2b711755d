"""Maps that know nothing of the network: what any method has to do better than."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aisthesis.explainers.base import Advance, ExplainedNetwork, Tabled

__all__ = ["CentrePrior", "RandomMap"]

CENTRE_SD = 0.25  # in sides of the image, as the control of the localisation scores


@dataclass(frozen=True)
class RandomMap(Tabled):
    """Independent normal values, other ones for every image."""

    kind = "random"

    def passes(self, subject: ExplainedNetwork) -> float:
        """None."""
        return 0.0

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, h, w), standard normal."""
        maps = [
            torch.randn(self.grid(subject), generator=torch.Generator().manual_seed(seed))
            for seed in seeds
        ]
        advance(float(len(images)))
        return torch.stack(maps).to(images)


@dataclass(frozen=True)
class CentrePrior(Tabled):
    """A Gaussian around the centre of the image, the same for all images."""

    kind = "centre"

    def passes(self, subject: ExplainedNetwork) -> float:
        """None."""
        return 0.0

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, h, w), 0 to 1."""
        y, x = (((torch.arange(n) + 0.5) / n - 0.5).square() for n in self.grid(subject))
        prior = torch.exp(-(y[:, None] + x[None, :]) / (2 * CENTRE_SD**2))
        advance(float(len(images)))
        return prior.to(images).expand(len(images), *prior.shape).clone()
