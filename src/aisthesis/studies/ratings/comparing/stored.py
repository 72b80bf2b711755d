"""Stored maps as the statistics read them: a few images at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from aisthesis.store.maps_store import IMAGES_A_CHUNK
from aisthesis.studies.shared.boxes import stored_boxes

__all__ = ["StoredMaps"]

#: Blocks kept, as several threads take images that lie close together.
_BLOCKS_KEPT = 3


class StoredMaps:
    """Maps, averaged over seeds, read when they are asked for: (N, h, w) to those who slice it.

    Parameters
    ----------
    maps : xarray.DataArray
        (seed, image, y, x) or (image, y, x), lazily opened.
    """

    def __init__(self, maps: xr.DataArray) -> None:
        self._maps = maps
        self._blocks: dict[int, NDArray[np.float64]] = {}
        n, height, width = (maps.sizes[axis] for axis in ("image", "y", "x"))
        self.shape = (n, height, width)
        # A chunk of the store, which is decompressed as a whole in any case.
        held = dict(zip(maps.dims, maps.encoding.get("chunks") or (), strict=False))
        self._at_once = int(held.get("image", IMAGES_A_CHUNK))
        #: (N, 4) what the network saw of each photograph; None where it is not stored.
        self.boxes = stored_boxes(maps)

    def __getitem__(self, images: Any) -> NDArray[np.float64]:
        """Read the images of a slice or of an array of positions: (M, h, w) float64."""
        index = np.arange(self.shape[0])[images]
        block, within = np.divmod(index, self._at_once)
        result = np.empty((len(index), *self.shape[1:]))
        for number in np.unique(block):
            here = block == number
            result[here] = self._block(int(number))[within[here]]
        return result

    def _block(self, number: int) -> NDArray[np.float64]:
        if number not in self._blocks:
            while len(self._blocks) >= _BLOCKS_KEPT:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[number] = self._read(number)
        return self._blocks[number]

    def _read(self, number: int) -> NDArray[np.float64]:
        """Average one chunk of the store."""
        start = number * self._at_once
        read = self._maps.isel(image=slice(start, start + self._at_once))
        values = read.values.astype(np.float64)
        return values.mean(0) if "seed" in read.dims else values
