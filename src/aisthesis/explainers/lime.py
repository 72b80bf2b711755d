"""LIME on superpixels, by captum and scikit-image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.explainers.base import (
    Advance,
    ExplainedNetwork,
    Tabled,
    cells_of,
    on_cells,
    optional,
)

__all__ = ["Lime"]


@dataclass(frozen=True)
class Lime(Tabled):
    """Weights of a linear model of the prediction, fitted on images with superpixels greyed out.

    Each superpixel is kept or made grey at random; a ridge regression of the predictions on what
    was kept gives every superpixel its weight, which all of its pixels carry.

    Parameters
    ----------
    superpixels : int
        Wanted number of superpixels (SLIC).
    samples : int
        Images with superpixels greyed out.
    penalty : float
        Of the ridge regression.
    cells : int
        The pixels' values are averaged over the areas of so many rows and columns of cells.
    at_once : int
        Images run together.

    References
    ----------
    Ribeiro et al., "Why should I trust you?", KDD 2016. Achanta et al., SLIC superpixels, PAMI
    2012.
    """

    superpixels: int = 50
    samples: int = 200
    penalty: float = 0.01
    cells: int = 56
    at_once: int = 16
    kind = "lime"

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """The cells that superpixels are averaged over."""
        return cells_of(self.cells, subject.size_px)

    def passes(self, subject: ExplainedNetwork) -> float:
        """One forward pass a sample."""
        return float(self.samples)

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, cells, cells) in rating units a superpixel."""
        captum = optional("captum.attr", self.name)
        linear = optional("captum._utils.models.linear_model", self.name)
        maps = []
        for image, seed in zip(images.split(1), seeds, strict=True):
            segments = torch.from_numpy(self.segments(image[0])).to(image.device)
            method = captum.Lime(
                subject.model, interpretable_model=linear.SkLearnRidge(alpha=self.penalty)
            )
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(seed)
                found = method.attribute(
                    image,
                    baselines=0.0,
                    feature_mask=segments[None, None],
                    n_samples=self.samples,
                    perturbations_per_eval=self.at_once,
                )
            maps.append(found[:, 0].to(images.dtype))
            advance(1.0)
        return on_cells(torch.cat(maps), self.cells)

    def segments(self, image: Tensor) -> NDArray[np.int64]:
        """Superpixels (H, W) of one image (3, H, W), numbered from 0 without a gap."""
        slic = optional("skimage.segmentation", self.name).slic
        colours = image.movedim(0, 2).double().cpu().numpy()
        low, high = colours.min((0, 1)), colours.max((0, 1))
        scaled = (colours - low) / np.where(high > low, high - low, 1.0)
        found = slic(scaled, n_segments=self.superpixels, start_label=0, channel_axis=2)
        _, numbered = np.unique(found, return_inverse=True)
        return numbered.reshape(found.shape).astype(np.int64)
