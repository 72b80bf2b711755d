"""One number per image from a network that was handed over, which is given back as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisthesis.ablation.modes import evaluation
from aisthesis.errors import RequestError

__all__ = ["Model", "predict", "require_images"]

#: Images (N, 3, H, W) to predictions (N,), a module or any function.
Model = nn.Module | Callable[[Tensor], Tensor]


def predict(model: Model, images: Tensor, batch_size: int = 32) -> NDArray[np.float64]:
    """Predict images without gradients, a module in evaluation mode.

    Parameters
    ----------
    model : module or callable
        Images (N, 3, H, W) to predictions (N,).
    images : Tensor
        Shape (N, 3, H, W), on the model's device.
    batch_size : int
        Images at a time.

    Returns
    -------
    ndarray
        Shape (N,), in rating units.

    Raises
    ------
    RequestError
        If the model does not give one number per image.
    """
    still: AbstractContextManager[None] = (
        evaluation(model) if isinstance(model, nn.Module) else torch.no_grad()
    )
    parts = [np.empty(0)]
    with still:
        for part in images.split(batch_size):
            output = model(part)
            if not isinstance(output, Tensor) or tuple(output.shape) != (len(part),):
                came = (
                    f"shape {tuple(output.shape)}"
                    if isinstance(output, Tensor)
                    else type(output).__name__
                )
                raise RequestError(
                    f"expected a model that gives ({len(part)},) predictions for {len(part)} "
                    f"images, got {came}; wrap it so that it returns one rating per image"
                )
            parts.append(output.detach().double().cpu().numpy())
    return np.concatenate(parts)


def require_images(images: Tensor) -> None:
    """Raise a RequestError unless `images` is a floating-point tensor (N, C, H, W)."""
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        came = (
            f"{images.dtype} of shape {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else type(images).__name__
        )
        raise RequestError(
            f"expected images as a floating-point tensor (N, C, H, W), got {came}; give them as "
            "the network reads them"
        )
