"""Values of agreement as the statistics read them: kind by kind, or a few images at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.summary import ByImage
from aisthesis.store.chunk_store import ChunkStore

__all__ = ["Compared"]

#: Images whose rows of a table are made together: whole chunks of the store.
IMAGES_AT_ONCE = 4096


@dataclass(frozen=True)
class Compared:
    """Stored values (image, metric, comparison), of pairs of networks and of each with its layer.

    Attributes
    ----------
    store
        Where they are. A kind's comparisons are next to each other: pairs of networks, then each
        network with its layer's activation.
    names
        Of the images.
    metrics, labels, kinds
        What was compared, in the order of the store's axes.
    """

    store: ChunkStore
    names: list[str]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of networks, in their order."""
        return list(combinations(self.labels, 2))

    def of_pairs(self, kinds: Sequence[str], images: slice = slice(None)) -> ByImage:
        """Values of pairs of networks by kinds of maps; groups by kind, metric, pair."""
        rows = [
            (kind, metric, a, b) for kind in kinds for metric in self._called for a, b in self.pairs
        ]
        found = [self._read(kind, images, activation=False) for kind in kinds]
        keys = ["map", "metric", "backbone_a", "backbone_b"]
        return self._by_image(rows, keys, found, images)

    def of_activations(self, kind: str) -> ByImage:
        """Values of each network's maps with its layer's activation; by network, metric."""
        rows = [(kind, metric, label) for label in self.labels for metric in self._called]
        found = self._read(kind, slice(None), activation=True).transpose(0, 2, 1)
        return self._by_image(rows, ["map", "metric", "backbone"], [found], slice(None))

    def parts(self) -> Iterator[slice]:
        """Cut the images into runs of which a table's rows are made together."""
        for start in range(0, len(self.names), IMAGES_AT_ONCE):
            yield slice(start, min(start + IMAGES_AT_ONCE, len(self.names)))

    def rows(self) -> Iterator[pd.DataFrame]:
        """Rows of `agreement_images.csv`, a part at a time: by kind, image, metric, pair."""
        for kind in self.kinds:
            for images in self.parts():
                held = self.of_pairs([kind], images)
                n, groups = held.matrix.shape
                table = held.groups.iloc[np.tile(np.arange(groups), n)].reset_index(drop=True)
                names = np.array(held.images, dtype=object)
                table.insert(0, "image", np.repeat(names, groups))
                yield table.assign(value=held.matrix.ravel())

    def _by_image(
        self,
        rows: Sequence[tuple[str, ...]],
        keys: list[str],
        found: list[NDArray[np.float64]],
        images: slice,
    ) -> ByImage:
        matrix = np.concatenate([one.reshape(len(one), -1) for one in found], axis=1)
        present = np.broadcast_to(np.True_, matrix.shape)
        return ByImage(pd.DataFrame(rows, columns=keys), matrix, present, self.names[images])

    def _read(self, kind: str, images: slice, *, activation: bool) -> NDArray[np.float64]:
        """(images, metrics, comparisons) of one kind."""
        n_pairs = len(self.pairs)
        start = self.kinds.index(kind) * (n_pairs + len(self.labels))
        some = slice(start + n_pairs, start + n_pairs + len(self.labels))
        if not activation:
            some = slice(start, start + n_pairs)
        return np.asarray(self._values[images, :, some])

    @property
    def _called(self) -> list[str]:
        return [one.name for one in metrics_named(self.metrics)]

    @cached_property
    def _values(self) -> Any:
        return zarr.open_group(self.store.path, mode="r", use_consolidated=False)["value"]
