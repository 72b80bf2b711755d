"""Maps that know nothing of the network: what any method has to do better than."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from aisthesis.maps.explainers.face import Subject

__all__ = ["CentrePrior", "RandomMap"]

CENTRE_SD = 0.25  # in sides of the image, as the control of the localisation scores


@dataclass(frozen=True)
class RandomMap:
    """Independent normal values, other ones for every image."""

    name: str = "random"
    title: str = "Random map"
    words: str = "independent random values: a control that knows neither image nor network"
    signed: bool = True
    control: bool = True

    def grid(self, subject: Subject) -> tuple[int, int]:
        """The layer's, so that it is as coarse as the maps it is held against."""
        return subject.map_px

    def passes(self, subject: Subject) -> float:
        """None."""
        return 0.0

    def __call__(
        self,
        subject: Subject,
        images: Tensor,
        *,
        seeds: list[int],
        advance: Callable[[float], None],
    ) -> Tensor:
        """Maps (N, h, w), standard normal."""
        maps = [
            torch.randn(self.grid(subject), generator=torch.Generator().manual_seed(seed))
            for seed in seeds
        ]
        advance(float(len(images)))
        return torch.stack(maps).to(images)


@dataclass(frozen=True)
class CentrePrior:
    """A Gaussian around the centre of the image, the same for all images."""

    name: str = "centre_prior"
    title: str = "Centre prior"
    words: str = "high in the middle of every image: a control that knows only where things are"
    signed: bool = False
    control: bool = True

    def grid(self, subject: Subject) -> tuple[int, int]:
        """The layer's."""
        return subject.map_px

    def passes(self, subject: Subject) -> float:
        """None."""
        return 0.0

    def __call__(
        self,
        subject: Subject,
        images: Tensor,
        *,
        seeds: list[int],
        advance: Callable[[float], None],
    ) -> Tensor:
        """Maps (N, h, w), 0 to 1."""
        y, x = (((torch.arange(n) + 0.5) / n - 0.5).square() for n in self.grid(subject))
        prior = torch.exp(-(y[:, None] + x[None, :]) / (2 * CENTRE_SD**2))
        advance(float(len(images)))
        return prior.to(images).expand(len(images), *prior.shape).clone()
