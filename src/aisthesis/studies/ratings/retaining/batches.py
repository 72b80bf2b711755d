"""Predictions of many heads with channels removed, and with only some kept, image by image."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.plan import AblationPlan
from aisthesis.backbones import Backbone
from aisthesis.heads import RatingEnsemble
from aisthesis.images import ImageFolder, batches
from aisthesis.importance.retention import (
    best_set,
    correlations,
    data_set_importance,
    retained_sets,
    sizes_to_try,
)
from aisthesis.importance.similarity import ranked
from aisthesis.memory import in_halves
from aisthesis.store.files import plain_errors
from aisthesis.studies.shared.ablation_plans import plan_for

__all__ = ["RetainedChannels", "retain_heads"]

#: Bytes that what every channel's removal changes may take in memory.
MOST_IN_MEMORY = 64 << 20

Array = NDArray[np.float64]
Advance = Callable[[int], None]


@dataclass(frozen=True)
class RetainedChannels:
    """What retention gives for one head.

    Attributes
    ----------
    importance : (C,)
        AIS over the images that the channels were chosen on.
    order : (C,)
        Channels by falling importance.
    retained : (n,)
        Those that are kept, best first.
    sizes : (G,)
        Numbers of retained channels that were tried.
    full : (N,)
        Predictions with all channels, in rating units.
    kept : (N, G)
        Predictions with each number of channels.
    chosen : int
        Column of `kept` that is retained.
    """

    importance: Array
    order: NDArray[np.intp]
    retained: NDArray[np.intp]
    sizes: NDArray[np.intp]
    full: Array
    kept: Array
    chosen: int


@torch.no_grad()
def retain_heads(
    backbone: Backbone,
    heads: Sequence[nn.Module],
    folder: ImageFolder,
    names: Sequence[str],
    ratings: Array,
    training: Sequence[NDArray[np.intp]],
    *,
    batch_size: int = 8,
    scratch: Path | None = None,
    advance: Advance = lambda n: None,
) -> list[RetainedChannels]:
    """Rank the channels for each head on its training images and keep the best number of them.

    Two passes over the images serve all heads: one removes every channel, one keeps the first
    channels of every head's ranking.

    Parameters
    ----------
    backbone : Backbone
        With a layer.
    heads : K modules
        Each takes embeddings to ratings.
    folder, names
        The N images.
    ratings : (N,)
        Human ratings; finite on the training images.
    training : K arrays of image numbers
        What each head's channels are ranked and their number chosen on.
    scratch : Path, optional
        A folder with room for what every channel's removal changes in every head, where that is
        more than 64 MB: 8 bytes times images, heads and channels, gone when this ends.
    advance : callable
        Told how many images were just done; every image comes twice.

    Returns
    -------
    list of K RetainedChannels
    """
    device = backbone.device
    model = RatingEnsemble(backbone.trunk, [head.to(device) for head in heads])
    plan = plan_for(backbone, model, folder)
    output = np.empty((len(names), len(heads)))
    delta = _room_for((len(heads), len(names), plan.channels), scratch)
    done = 0
    for batch in batches(folder, names, backbone.transform, batch_size):
        pixels = batch.pixels.to(device)
        removed = partial(_removed, plan, pixels)
        for found in in_halves(len(pixels), removed, "removing channels"):
            some = slice(done, done + len(found.output))
            output[some] = found.output.double().cpu().numpy()
            delta[:, some] = found.delta.double().cpu().numpy().transpose(2, 0, 1)
            done = some.stop
        advance(len(batch.names))
    sizes = sizes_to_try(plan.channels)
    importance = [
        data_set_importance(ratings[train], output[train, k], delta[k, train])
        for k, train in enumerate(training)
    ]
    del delta
    orders = [ranked(scores) for scores in importance]
    sets = np.concatenate([retained_sets(order, sizes) for order in orders])
    own = np.arange(len(heads)).repeat(len(sizes))
    kept = []
    for batch in batches(folder, names, backbone.transform, batch_size):
        pixels = batch.pixels.to(device)
        retained = partial(_retained, plan, pixels, sets)
        for values in in_halves(len(pixels), retained, "keeping channels"):
            kept.append(values[:, np.arange(len(sets)), own])
        advance(len(batch.names))
    by_head = np.concatenate(kept).reshape(len(names), len(heads), len(sizes))
    results = []
    for k, train in enumerate(training):
        chosen = best_set(sizes, correlations(ratings[train], by_head[train, k]))
        results.append(
            RetainedChannels(
                importance[k],
                orders[k],
                orders[k][: sizes[chosen]],
                sizes,
                output[:, k],
                by_head[:, k],
                chosen,
            )
        )
    return results


def _room_for(shape: tuple[int, ...], scratch: Path | None) -> Array:
    """Room for float64 values: in memory, or for many of them in a file that nobody else sees."""
    n_bytes = 8 * math.prod(shape)
    if scratch is None or n_bytes <= MOST_IN_MEMORY:
        return np.empty(shape)
    with plain_errors(scratch), TemporaryFile(dir=scratch) as file:
        if hasattr(os, "posix_fallocate"):  # a disk that fills up later would end the process
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        return np.memmap(file, np.float64, "w+", shape=shape)


def _removed(plan: AblationPlan, pixels: torch.Tensor, some: slice) -> Ablation:
    return plan(pixels[some])


def _retained(
    plan: AblationPlan, pixels: torch.Tensor, sets: NDArray[np.bool_], some: slice
) -> Array:
    values: Array = plan.retain(pixels[some], sets).double().cpu().numpy()
    return values
