"""Embeddings of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aisthesis.images import ImageFolder, Transform, batches
from aisthesis.memory import in_halves

__all__ = ["embed_images", "embedded"]


@torch.no_grad()
def embed_images(
    trunk: nn.Module,
    folder: ImageFolder,
    names: Sequence[str],
    transform: Transform,
    *,
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float32]:
    """Compute the embedding of every image.

    Parameters
    ----------
    trunk : nn.Module
        Normalised images (N, 3, H, W) to embeddings (N, D); on `device`.
    names : sequence of str
        Images of the folder.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    array, shape (N, D), float32
    """
    rows = []
    for batch in batches(folder, names, transform, batch_size):
        rows.append(embedded(trunk, batch.pixels.to(device)))
        advance(len(batch.names))
    return np.concatenate(rows)


def embedded(
    trunk: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor
) -> NDArray[np.float32]:
    """Embeddings (N, D) of a batch (N, 3, H, W); of parts of it where memory runs out.

    Raises
    ------
    OutOfMemoryError
        If not even one image fits.
    """
    parts = in_halves(
        len(pixels), lambda some: trunk(pixels[some]).float().cpu().numpy(), "computing embeddings"
    )
    return np.concatenate(parts)
