"""From channel scores and a layer's activations to one map per image."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from aisthesis.errors import RequestError

__all__ = ["activation_map", "weighted_map"]


def weighted_map(scores: Tensor, activation: Tensor) -> Tensor:
    """Sum the rectified activations of a layer's channels, each weighted by its score.

    ``M[..., i, :, :] = sum over c of scores[..., i, c] * max(activation[i, c], 0)``

    Parameters
    ----------
    scores
        (..., N, C) signed channel scores, in rating units; leading axes (seeds) are kept.
    activation
        (N, C, h, w) output of the layer, of the same floating dtype and on the same device.

    Returns
    -------
    Tensor
        (..., N, h, w) maps in rating units x activation units, at the layer's own resolution.

    Raises
    ------
    RequestError
        If the shapes do not belong together or the dtypes differ.

    References
    ----------
    Truong, Pesenti & Hasson, alignment-importance heatmaps; method.md, section 3.
    """
    _require_activation(activation)
    n, c, h, w = activation.shape
    if scores.ndim < 2 or scores.shape[-2:] != (n, c):
        raise RequestError(
            f"expected scores of shape (..., {n}, {c}) for activations of shape "
            f"{tuple(activation.shape)}, got {tuple(scores.shape)}; give one score per image and "
            "channel"
        )
    if scores.dtype != activation.dtype:
        raise RequestError(
            f"expected scores and activations of one dtype, got {scores.dtype} and "
            f"{activation.dtype}; convert one of them"
        )
    leading = scores.shape[:-2]
    by_image = scores.reshape(prod(leading), n, c).transpose(0, 1)  # (N, seeds, C)
    maps = torch.bmm(by_image, activation.clamp(min=0).reshape(n, c, h * w))
    return maps.transpose(0, 1).reshape(*leading, n, h, w)


def activation_map(activation: Tensor) -> Tensor:
    """Average a layer's output over its channels, signs kept: where the layer is active at all.

    Parameters
    ----------
    activation
        (N, C, h, w) output of the layer.

    Returns
    -------
    Tensor
        (N, h, w), the baseline that an importance map has to differ from to say something new.
    """
    _require_activation(activation)
    return activation.mean(dim=1)


def _require_activation(activation: Tensor) -> None:
    if activation.ndim != 4 or 0 in activation.shape[1:]:
        raise RequestError(
            f"expected activations of shape (N, C, h, w), got {tuple(activation.shape)}; "
            "take the output of a layer that keeps a spatial map"
        )
    if not activation.is_floating_point():
        raise RequestError(
            f"expected floating-point activations, got {activation.dtype}; convert them first"
        )
