"""Grad-CAM of a regression output, with its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aisthesis.explainers.base import (
    Advance,
    ExplainedNetwork,
    Tabled,
    grad_enabled_copy,
    require_predictions,
)

__all__ = ["GradCam"]


@dataclass(frozen=True)
class GradCam(Tabled):
    """Channels weighted by the mean gradient of the prediction with respect to them.

    ``M = sum over c of mean over positions of (df / dA_c) * A_c``

    A rating has no other classes to suppress, so the sum is not rectified unless asked: negative
    values are evidence for a lower rating. Any layer whose output can be laid out as channels
    and a grid will do, also one with the channels last, which is why this is not captum's
    `LayerGradCam`; tests hold it against that and against pytorch-grad-cam.

    Parameters
    ----------
    rectified : bool
        Whether negative values become zero, as for a class score.

    References
    ----------
    Selvaraju et al., Grad-CAM, ICCV 2017.
    """

    rectified: bool = False
    kind = "grad_cam"

    @property
    def signed(self) -> bool:
        """Not where it is rectified."""
        return not self.rectified

    def passes(self, subject: ExplainedNetwork) -> float:
        """One forward and one backward pass."""
        return 3.0

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, h, w) at the layer's resolution, in rating units."""
        held: list[Tensor] = []

        def hold(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            held.append(output)
            return output.clone()  # a ReLU that follows may overwrite what it is given

        handle = subject.model.get_submodule(subject.layer).register_forward_hook(hold)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                predictions = subject.model(grad_enabled_copy(images))
                require_predictions(predictions, len(images))
                (gradient,) = torch.autograd.grad(predictions.sum(), held[0])
        finally:
            handle.remove()
        activation, slope = subject.to_map(held[0].detach()), subject.to_map(gradient)
        maps = (slope.mean((2, 3), keepdim=True) * activation).sum(1)
        advance(float(len(images)))
        return maps.clamp(min=0) if self.rectified else maps
