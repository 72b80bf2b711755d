"""Occlusion and multiscale pixel masking: how far the prediction drops under squares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aisthesis.explainers.base import Advance, ExplainedNetwork, Tabled
from aisthesis.explainers.occlusion.plan import OcclusionPlan, occlusion_plan

__all__ = ["Masking", "multiscale", "occlusion"]


@dataclass(frozen=True)
class Masking(Tabled):
    """Grey squares centred at every position of a grid; the value is the drop of the prediction.

    With squares of several sizes the drops are summed over sizes. Only the part of the network's
    values that a square changes is computed again, see `occlusion_plan`.

    Parameters
    ----------
    kind, values : str
        Its name in the table of explainers, and what its values are.
    sizes_px : tuple of int
        Sides of the squares; those larger than the image are an error.
    stride_px : float, optional
        Distance of the squares' centres; by default what `most_passes` allows.
    most_passes : float
        Cost in forward passes an image that the default stride keeps to where it can.
    """

    kind: str
    values: str
    sizes_px: tuple[int, ...]
    stride_px: float | None = None
    most_passes: float = 200.0

    @property
    def words(self) -> str:
        """What its values are."""
        return self.values

    def plan(self, subject: ExplainedNetwork) -> OcclusionPlan:
        """Plan once for a network and keep it."""
        if self.name not in subject.plans:
            subject.plans[self.name] = occlusion_plan(
                subject.model,
                (3, *subject.size_px),
                self.sizes_px,
                stride_px=self.stride_px,
                most_passes=self.most_passes,
            )
        plan: OcclusionPlan = subject.plans[self.name]
        return plan

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """The positions of the squares."""
        return self.plan(subject).grid

    def passes(self, subject: ExplainedNetwork) -> float:
        """What the plan expects."""
        return self.plan(subject).passes

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, rows, columns) in rating units."""
        plan = self.plan(subject)
        drops = plan(images, advance=lambda n: advance(n / plan.masked))
        return torch.as_tensor(drops.sum(0))


def occlusion(size_px: int = 32, stride_px: float | None = None) -> Masking:
    """Squares of one size.

    References
    ----------
    Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014.
    """
    words = f"how far the prediction drops under a grey square of {size_px} px"
    return Masking("occlusion", words, (size_px,), stride_px)


def multiscale(sizes_px: tuple[int, ...] = (3, 17, 65), stride_px: float | None = None) -> Masking:
    """Squares of several sizes, their drops summed.

    References
    ----------
    arXiv 2604.07254, whose sizes are the default.
    """
    sizes = ", ".join(map(str, sizes_px))
    words = f"drops of the prediction under grey squares of {sizes} px, summed over the sizes"
    return Masking("multiscale", words, sizes_px, stride_px)
