"""A fitted head on its trunk as an ordinary module: images in, ratings out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["MeanRating", "RatingEnsemble", "RatingModel"]


class RatingModel(nn.Module):
    """One head on one trunk; captum and pytorch-grad-cam take it like any other network.

    Parameters
    ----------
    trunk : nn.Module
        Normalised images (N, 3, H, W) to embeddings (N, D).
    head : nn.Module
        Embeddings (N, D) to ratings (N,).

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> head = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))  # or one by `ais.fit`
    >>> ais.RatingModel(trunk, head)(torch.rand(2, 3, 16, 16)).shape
    torch.Size([2])
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Predict ratings, shape (N,), in rating units."""
        return self.head(self.trunk(images))


class RatingEnsemble(nn.Module):
    """Several heads on one trunk, so that one pass through the trunk serves them all.

    Parameters
    ----------
    trunk : nn.Module
        Normalised images (N, 3, H, W) to embeddings (N, D).
    heads : sequence of K nn.Module
        Each takes embeddings (N, D) to ratings (N,).

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> heads = [nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)) for _ in range(3)]
    >>> ais.RatingEnsemble(trunk, heads)(torch.rand(2, 3, 16, 16)).shape
    torch.Size([2, 3])
    """

    def __init__(self, trunk: nn.Module, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(heads)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Predict ratings, shape (N, K), in rating units: one column a head."""
        embedding = self.trunk(images)
        return torch.stack([head(embedding) for head in self.heads], dim=1)


class MeanRating(RatingEnsemble):
    """The mean over several heads on one trunk: the prediction that is averaged over seeds."""

    def forward(self, images: Tensor) -> Tensor:
        """Predict ratings, shape (N,), in rating units."""
        return super().forward(images).mean(1)
