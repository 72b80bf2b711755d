"""Embeddings of a set of images with any channel of a layer removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError

__all__ = ["Change", "DenseEmbeddings", "Embeddings", "OwnedEmbeddings"]

Array = NDArray[np.float64]


class Change(NamedTuple):
    """What removing one channel does to the embeddings: `by` is added to `columns`."""

    columns: NDArray[np.intp]  # (m,)
    by: Array  # (N, m)


@dataclass(frozen=True, eq=False)
class OwnedEmbeddings:
    """Embeddings each entry of which depends on one channel at most, as after a global pool.

    One pass with all channels removed then tells what every single removal does.

    Attributes
    ----------
    intact : (N, D)
        Z, float64.
    emptied : (N, D)
        The embedding with every channel of the layer set to zero. It is not zero everywhere: a
        bias, a normalisation or a shortcut remains.
    owner : (D,)
        Channel that each entry depends on; -1 for none.
    channels : int
        C.
    """

    intact: Array
    emptied: Array
    owner: NDArray[np.intp]
    channels: int

    def __post_init__(self) -> None:
        fits = self.intact.ndim == 2 and self.emptied.shape == self.intact.shape
        if not fits or self.owner.shape != self.intact.shape[1:]:
            raise RequestError(
                "expected intact and emptied embeddings (N, D) and owners (D,), got "
                f"{self.intact.shape}, {self.emptied.shape} and {self.owner.shape}"
            )

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.intact)

    @cached_property
    def columns(self) -> list[NDArray[np.intp]]:
        """Entries of the embedding that each channel owns."""
        order = np.argsort(self.owner, kind="stable")
        edges = np.searchsorted(self.owner[order], np.arange(self.channels + 1))
        return [order[a:b] for a, b in pairwise(edges)]

    @cached_property
    def column(self) -> NDArray[np.intp] | None:
        """The one entry of each channel, -1 where it has none; None if one has several."""
        if max(map(len, self.columns), default=0) > 1:
            return None
        return np.array([int(c[0]) if len(c) else -1 for c in self.columns], dtype=np.intp)

    def rows(self, index: NDArray[np.intp]) -> OwnedEmbeddings:
        """Those of some images."""
        return replace(self, intact=self.intact[index], emptied=self.emptied[index])

    def change(self, channel: int) -> Change:
        """What the removal of one channel changes."""
        columns = self.columns[channel]
        return Change(columns, self.emptied[:, columns] - self.intact[:, columns])

    def without(self, channel: int) -> Array:
        """Embeddings (N, D) with one channel removed."""
        columns, by = self.change(channel)
        result = self.intact.copy()
        result[:, columns] += by
        return result

    def keeping(self, sets: NDArray[np.bool_]) -> Iterator[Array]:
        """Embeddings (N, D) with all channels removed but each of the sets (G, C)."""
        for kept in sets:
            own = np.append(kept, True)[self.owner]  # owner -1: stays as it is
            yield np.where(own, self.intact, self.emptied)


@dataclass(frozen=True, eq=False)
class DenseEmbeddings:
    """Embeddings every entry of which may depend on every channel, as after a linear layer.

    Attributes
    ----------
    intact : (N, D)
        Z, float64.
    delta : (C, N, D)
        What the removal of each channel adds to Z; any array, also one that lies on disk.
    keep : callable
        From sets of channels to keep, (G, C) bool, to the embeddings (N, D) of each, in order.
    index : (N,), optional
        The images to take out of `delta` and of what `keep` gives; default all.
    """

    intact: Array
    delta: NDArray[np.floating]
    keep: Callable[[NDArray[np.bool_]], Iterator[Array]]
    index: NDArray[np.intp] | None = None

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.intact)

    @property
    def channels(self) -> int:
        """Number C of channels."""
        return len(self.delta)

    def rows(self, index: NDArray[np.intp]) -> DenseEmbeddings:
        """Those of some images."""
        chosen = index if self.index is None else self.index[index]
        return replace(self, intact=self.intact[index], index=chosen)

    def change(self, channel: int) -> Change:
        """What the removal of one channel changes."""
        by = self.delta[channel] if self.index is None else self.delta[channel][self.index]
        return Change(np.arange(self.intact.shape[1]), np.asarray(by, dtype=np.float64))

    def without(self, channel: int) -> Array:
        """Embeddings (N, D) with one channel removed."""
        return self.intact + self.change(channel).by

    def keeping(self, sets: NDArray[np.bool_]) -> Iterator[Array]:
        """Embeddings (N, D) with all channels removed but each of the sets (G, C)."""
        for embedding in self.keep(sets):
            yield embedding if self.index is None else embedding[self.index]


Embeddings = OwnedEmbeddings | DenseEmbeddings
