"""Embeddings, computed once per image and backbone and kept."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aisthesis.images import ImageFolder, Transform, batches

__all__ = ["embed_images"]


@torch.no_grad()
def embed_images(
    trunk: nn.Module,
    folder: ImageFolder,
    names: Sequence[str],
    transform: Transform,
    *,
    digests: Mapping[str, str],
    cache_file: Path | None = None,
    batch_size: int = 8,
    device: str | torch.device = "cpu",
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float32]:
    """Compute the embedding of every image, or take it from the cache.

    Parameters
    ----------
    trunk : nn.Module
        Normalised images (N, 3, H, W) to embeddings (N, D); on `device`.
    names : sequence of str
        Images of the folder.
    digests : mapping
        Digest of every image's bytes: the cache's key, so that a changed image is embedded anew.
    cache_file : Path, optional
        Named by the caller after everything else that an embedding depends on (weights,
        transform). A damaged cache is computed again.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    array, shape (N, D), float32
    """
    kept = _read(cache_file)
    missing = [name for name in names if digests[name] not in kept]
    advance(len(names) - len(missing))
    for batch in batches(folder, missing, transform, batch_size):
        embedding = trunk(batch.pixels.to(device)).float().cpu().numpy()
        kept |= {digests[name]: row for name, row in zip(batch.names, embedding, strict=True)}
        advance(len(batch.names))
    if cache_file is not None and missing:
        _write(cache_file, kept)
    return np.stack([kept[digests[name]] for name in names])


def _read(cache_file: Path | None) -> dict[str, NDArray[np.float32]]:
    if cache_file is None or not cache_file.is_file():
        return {}
    try:
        with np.load(cache_file, allow_pickle=False) as held:
            rows = zip(held["digests"].tolist(), held["embeddings"], strict=True)
            return dict(rows)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def _write(cache_file: Path, kept: Mapping[str, NDArray[np.float32]]) -> None:
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    partial = cache_file.with_name(f".{cache_file.name}.partial.npz")
    try:
        np.savez(partial, digests=np.array(list(kept)), embeddings=np.stack(list(kept.values())))
        partial.replace(cache_file)
    finally:
        partial.unlink(missing_ok=True)
