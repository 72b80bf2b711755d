"""Scores from the updated matrix of each channel in turn.

For channels that change several entries of the embedding, or all, and for measures that are no
function of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.importance.similarity.embeddings import Embeddings
from aisthesis.importance.similarity.standard import FLAT, SetUp
from aisthesis.judgments.similarity.second_order import row_agreement, second_order

__all__ = ["ChannelUpdate", "channel_by_channel"]

Array = NDArray[np.float64]


def channel_by_channel(
    embeddings: Embeddings,
    set_up: SetUp,
    measure: str,
    removal: str,
    images: bool,
    advance: Callable[[int], None],
) -> tuple[float, Array, Array, Array]:
    """Agreement, AIS of the data set (C,), agreement of each row (N,) and AIS of images (N, C)."""
    full = float(second_order(1 - set_up.p, set_up.human, set_up.mask, measure=measure))
    row_full = row_agreement(1 - set_up.p, set_up.human, set_up.mask, measure=measure)
    data_set = np.zeros(embeddings.channels)
    image = np.zeros((embeddings.n, embeddings.channels))
    for channel in range(embeddings.channels):
        columns, by = embeddings.change(channel)
        if len(columns):
            update = ChannelUpdate(set_up, set_up.z[:, columns], by / set_up.length[:, None])
            changed = update.data_set(removal)
            value = second_order(1 - changed, set_up.human, set_up.mask, measure=measure)
            data_set[channel] = full - float(value)
            if np.isnan(changed).any():
                data_set[channel] = np.nan
            if images:
                rows = row_agreement(1 - update.rows(), set_up.human, set_up.mask, measure=measure)
                image[:, channel] = row_full - rows
        advance(1)
    image[np.isnan(row_full)] = np.nan
    if not images:
        row_full, image = np.empty(0), np.empty((0, embeddings.channels))
    return full, data_set, row_full, image


@dataclass(frozen=True)
class ChannelUpdate:
    """One channel's entries, standardised z (N, m), and what is added to them, d (N, m)."""

    set_up: SetUp
    z: Array
    d: Array

    def data_set(self, removal: str) -> Array:
        """Correlations (N, N) with the channel removed from every image."""
        dimension = self.set_up.z.shape[1]
        p = self.set_up.p
        if removal == "delete":
            total = self.z.sum(1)
            rest = dimension - self.z.shape[1]
            p = p - self.z @ self.z.T - np.outer(total, total) / max(rest, 1)
        else:
            total = self.d.sum(1)
            cross = self.d @ self.z.T
            p = p + cross + cross.T + self.d @ self.d.T - np.outer(total, total) / dimension
        diagonal = np.diag(p)
        with np.errstate(invalid="ignore"):
            q = np.where(diagonal > FLAT, diagonal, np.nan) ** -0.5
        flat = ~(self.set_up.mask.sum(1) > 0)
        q[flat] = 0.0  # has no pairs to begin with
        return p * q * q[:, None]

    def rows(self) -> Array:
        """Row i: correlations of image i without the channel with the others as they are."""
        total = self.d.sum(1)
        dimension = self.set_up.z.shape[1]
        square = 1 + 2 * (self.d * self.z).sum(1) + (self.d**2).sum(1) - total**2 / dimension
        with np.errstate(invalid="ignore", divide="ignore"):
            length = np.sqrt(np.where(square > FLAT, square, np.nan))
        return (self.set_up.p + self.d @ self.z.T) / length[:, None]
