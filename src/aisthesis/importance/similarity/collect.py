"""Embeddings without each channel, from a network, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.ablation.plan import AblationPlan
from aisthesis.importance.similarity.embeddings import DenseEmbeddings, Embeddings, OwnedEmbeddings

__all__ = ["IN_MEMORY_BYTES", "Batches", "Keeper", "collect_embeddings", "scratch_bytes"]

Batches = Callable[[], Iterable[torch.Tensor]]

IN_MEMORY_BYTES = 1_000_000_000


def scratch_bytes(plan: AblationPlan, n: int, dimension: int) -> int:
    """What the effects of all channels on the embeddings of `n` images take."""
    return plan.channels * n * dimension * 4


def collect_embeddings(
    plan: AblationPlan,
    batches: Batches,
    n: int,
    *,
    scratch: Path | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> Embeddings:
    """Compute the embeddings of all images, intact and with each channel removed exactly.

    Where each entry of the embedding depends on one channel at most, one pass with all channels
    removed gives what every removal does. Elsewhere the effect of each channel on each embedding
    is kept in single precision, relative to which it is exact: it is not a difference of two
    embeddings.

    Parameters
    ----------
    plan : AblationPlan
        Of the network that gives the embeddings.
    batches : callable
        Gives the images, in batches on the network's device, afresh at each call.
    n : int
        Number of images.
    scratch : path, optional
        File for what does not fit into memory.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    OwnedEmbeddings or DenseEmbeddings
    """
    intact: list[NDArray[np.float64]] = []
    emptied: list[NDArray[np.float64]] = []
    delta: NDArray[np.float32] | None = None
    owner: NDArray[np.intp] | None = None
    every = np.ones((1, plan.channels), dtype=bool)
    done = 0
    for pixels in batches():
        if done == 0 or owner is not None:
            removed = plan(pixels, groups=every)
            owner = plan.output_owner(pixels)
        if owner is not None:
            emptied.append(_numpy(removed.removed[:, 0]))
        else:
            removed = plan(pixels)
            if delta is None:
                delta = _room((plan.channels, n, removed.output.shape[1]), scratch)
            delta[:, done : done + len(pixels)] = _numpy(removed.delta).transpose(1, 0, 2)
        intact.append(_numpy(removed.output))
        done += len(pixels)
        advance(len(pixels))
    z = np.concatenate(intact)
    if owner is not None:
        return OwnedEmbeddings(z, np.concatenate(emptied), owner, plan.channels)
    held = np.empty((plan.channels, 0, 0), np.float32) if delta is None else delta
    return DenseEmbeddings(z, held, Keeper(plan, batches, n, z.shape[1]))


class Keeper:
    """Runs the network with some channels kept, for several sets in one pass over the images.

    Attributes
    ----------
    advance : callable
        Told how many images were just done.
    """

    def __init__(self, plan: AblationPlan, batches: Batches, n: int, dimension: int) -> None:
        self.plan, self.batches, self.n, self.dimension = plan, batches, n, dimension
        self.advance: Callable[[int], None] = lambda n: None

    @property
    def at_once(self) -> int:
        """Sets in one pass."""
        return max(1, IN_MEMORY_BYTES // (self.n * self.dimension * 8))

    def images(self, sets: int) -> int:
        """How many images the passes for so many sets run through the network."""
        return self.n * -(-sets // self.at_once)

    def __call__(self, sets: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
        """Embeddings (N, D) with all channels removed but each of the sets (G, C)."""
        for first in range(0, len(sets), self.at_once):
            some = sets[first : first + self.at_once]
            held = np.empty((len(some), self.n, self.dimension))
            done = 0
            for pixels in self.batches():
                kept = _numpy(self.plan.retain(pixels, some))
                held[:, done : done + len(pixels)] = kept.transpose(1, 0, 2)
                done += len(pixels)
                self.advance(len(pixels))
            yield from held


def _room(shape: tuple[int, int, int], scratch: Path | None) -> NDArray[np.float32]:
    size = int(np.prod(shape)) * 4
    if scratch is None or size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    return np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float32, shape=shape)


def _numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().double().cpu().numpy()
