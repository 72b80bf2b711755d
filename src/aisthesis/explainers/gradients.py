"""Integrated Gradients and gradient x input, by captum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aisthesis.explainers.base import (
    Advance,
    ExplainedNetwork,
    Tabled,
    cells_of,
    grad_enabled_copy,
    on_cells,
    optional,
)

__all__ = ["GradientTimesInput", "IntegratedGradients"]


@dataclass(frozen=True)
class IntegratedGradients(Tabled):
    """Gradient along the straight way from a grey image to the image, times their difference.

    The grey is the mean colour of the images that the network was trained on (0 in normalised
    units). The values of an image add up to f(image) - f(grey), but for the number of steps.

    Parameters
    ----------
    steps : int
        Points of the Gauss-Legendre rule along the way.
    cells : int
        The pixels' values, summed over colours, are averaged over the areas of so many rows and
        columns of cells.
    at_once : int
        Images run together.

    References
    ----------
    Sundararajan et al., Axiomatic attribution for deep networks, ICML 2017.
    """

    steps: int = 32
    cells: int = 56
    at_once: int = 8
    kind = "integrated_gradients"

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """The cells that pixels are averaged over."""
        return cells_of(self.cells, subject.size_px)

    def passes(self, subject: ExplainedNetwork) -> float:
        """One forward and one backward pass a step."""
        return 3.0 * self.steps

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, cells, cells) in rating units a pixel."""
        return on_cells(self.on_pixels(subject, images, advance), self.cells)

    def on_pixels(self, subject: ExplainedNetwork, images: Tensor, advance: Advance) -> Tensor:
        """Maps (N, H, W): one value a pixel, summed over colours."""
        method = optional("captum.attr", self.name).IntegratedGradients(subject.model)
        maps = []
        for image in images.split(1):
            with torch.inference_mode(False), torch.enable_grad():
                found = method.attribute(
                    grad_enabled_copy(image),
                    baselines=0.0,
                    n_steps=self.steps,
                    internal_batch_size=self.at_once,
                )
            maps.append(found.detach().sum(1))
            advance(1.0)
        return torch.cat(maps).to(images.dtype)


@dataclass(frozen=True)
class GradientTimesInput(Tabled):
    """Gradient of the prediction with respect to each pixel, times the pixel's normalised value.

    Parameters
    ----------
    cells : int
        As for `IntegratedGradients`.

    References
    ----------
    Shrikumar et al., Not just a black box, arXiv 1605.01713.
    """

    cells: int = 56
    kind = "gradient_x_input"

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """The cells that pixels are averaged over."""
        return cells_of(self.cells, subject.size_px)

    def passes(self, subject: ExplainedNetwork) -> float:
        """One forward and one backward pass."""
        return 3.0

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, cells, cells) in rating units a pixel."""
        method = optional("captum.attr", self.name).InputXGradient(subject.model)
        with torch.inference_mode(False), torch.enable_grad():
            found = method.attribute(grad_enabled_copy(images))
        advance(float(len(images)))
        return on_cells(found.detach().sum(1), self.cells)
