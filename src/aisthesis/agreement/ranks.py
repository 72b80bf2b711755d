"""Metrics of the order of pixel values: EMD of histograms, Spearman's rho, overlap of the top."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from aisthesis.agreement.stack import MapStack

__all__ = [
    "TOP_SHARE",
    "emd",
    "sorted_pixels",
    "spearman",
    "standard_ranks",
    "top10_iou",
    "top_pixels",
]

#: Share of an image's pixels that count as its strongest evidence.
TOP_SHARE = 0.1


def emd(a: MapStack, b: MapStack) -> Tensor:
    """1-D Wasserstein distance between two maps' pixel values: (N,), 0 or more, in SDs.

    With as many pixels in both maps it is the mean difference of their sorted values. Where the
    values lie in the image plays no part.

    References
    ----------
    Ramdas, Garcia & Cuturi (2017), "On Wasserstein two-sample testing and related families of
    nonparametric tests", Entropy 19(2), 47.
    """
    return (a.once(sorted_pixels) - b.once(sorted_pixels)).abs_().mean(dim=1).double()


def spearman(a: MapStack, b: MapStack) -> Tensor:
    """Spearman's rho over pixels, ties given their average rank: (N,), -1 to 1."""
    return (a.once(standard_ranks) * b.once(standard_ranks)).mean(dim=1).double().clamp(-1, 1)


def top10_iou(a: MapStack, b: MapStack) -> Tensor:
    """Intersection over union of the two maps' top tenth of pixels: (N,), 0 to 1.

    Pixels that tie with the last of the top tenth belong to it.
    """
    top_a, top_b = a.once(top_pixels), b.once(top_pixels)
    return (top_a & top_b).sum(dim=1).double() / (top_a | top_b).sum(dim=1)


def sorted_pixels(stack: MapStack) -> Tensor:
    """Pixels of each map in order: (N, pixels), float32."""
    values = stack.pixels().flatten(1)
    if values.device.type != "cpu":
        return values.sort(dim=1).values
    # NumPy's vectorised sort is several times as fast as torch's on the CPU.
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


def standard_ranks(stack: MapStack) -> Tensor:
    """Give average ranks over an image's pixels, scaled to mean 0 and SD 1: (N, pixels)."""
    values, order = stack.pixels().flatten(1).sort(dim=1)
    n = values.shape[1]
    position = torch.arange(n, device=values.device).expand_as(values)
    changes = values[:, 1:] != values[:, :-1]
    edge = torch.ones_like(changes[:, :1])
    starts_group = torch.cat([edge, changes], dim=1)
    ends_group = torch.cat([changes, edge], dim=1)
    first = torch.where(starts_group, position, 0).cummax(dim=1).values
    last = torch.where(ends_group, position, n - 1).flip(1).cummin(dim=1).values.flip(1)
    average = (first + last).double() / 2 - (n - 1) / 2  # ranks always average to the middle
    ranks = torch.empty_like(average).scatter_(1, order, average)
    return (ranks / ranks.square().mean(dim=1, keepdim=True).sqrt()).float()


def top_pixels(stack: MapStack) -> Tensor:
    """Which pixels belong to the top tenth: (N, pixels) bool."""
    in_order = stack.once(sorted_pixels)
    n = in_order.shape[1]
    threshold = in_order[:, n - max(1, round(TOP_SHARE * n))]
    return stack.pixels().flatten(1) >= threshold[:, None]
