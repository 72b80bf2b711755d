"""From channel scores and a layer's activations to one map per image."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from aisthesis.errors import RequestError

__all__ = ["activation_map", "alignment_map", "weighted_map"]


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
    Truong, Pesenti & Hasson, alignment-importance heatmaps; docs/method.md, section 3.
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


def alignment_map(scores: Tensor, activation: Tensor) -> Tensor:
    """Average a layer's channels, each weighted by its share of the positive importance.

    ``M[i] = sum over c of w[i, c] * activation[i, c]``, with w the scores where they are above
    zero, divided by their sum: the map of what makes an image compare to the others as people
    compare it.

    Parameters
    ----------
    scores
        (N, C) alignment importance of each channel in each image; NaN counts as none.
    activation
        (N, C, h, w) output of the layer, with its sign.

    Returns
    -------
    Tensor
        (N, h, w), in activation units; NaN where no channel of an image has a positive score.

    References
    ----------
    Truong, Pesenti & Hasson, arXiv 2409.16292; docs/method.md, section 5.
    """
    _require_activation(activation)
    n, c = activation.shape[:2]
    if scores.shape != (n, c):
        raise RequestError(
            f"expected scores of shape ({n}, {c}) for activations of shape "
            f"{tuple(activation.shape)}, got {tuple(scores.shape)}"
        )
    positive = scores.to(activation.dtype).nan_to_num(nan=0.0).clamp(min=0)
    weights = positive / positive.sum(dim=1, keepdim=True)
    return torch.einsum("nc,nchw->nhw", weights, activation)


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
