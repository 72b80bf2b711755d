"""Which stretch of a map's cells the grid of pixels covers, along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.maps.common_frame import linear_weights
from aisthesis.maps.resample import interpolation_matrix

__all__ = ["Axis", "Part", "interpolation"]


@dataclass(frozen=True)
class Axis:
    """Cells of a map along one axis, and from where to where pixels are interpolated.

    Attributes
    ----------
    cells
        Of the whole map.
    start, end
        Ends of the stretch, as fractions of the map; all of it by default.
    """

    cells: int
    start: float = 0.0
    end: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether pixels cover all of the map."""
        return (self.start, self.end) == (0.0, 1.0)

    def matrix(self, n_px: int) -> Tensor:
        """Interpolation onto so many pixels: (n_px, cells), float64, on the CPU; not to change."""
        return _matrix(self, n_px)


@lru_cache(maxsize=256)
def _matrix(axis: Axis, n_px: int) -> Tensor:
    if axis.whole:
        return interpolation_matrix(axis.cells, n_px)
    return torch.from_numpy(interpolation(axis.cells, axis.start, axis.end, n_px))


def interpolation(n: int, start: float, end: float, n_px: int) -> NDArray[np.float64]:
    """Bilinear interpolation of n cells at the middles of equal parts of a stretch: (n_px, n)."""
    if not np.isfinite([start, end]).all():
        return np.full((n_px, n), np.nan)
    middle = start + (np.arange(n_px) + 0.5) / n_px * (end - start)
    return linear_weights(middle * n - 0.5, n)


@dataclass(frozen=True, eq=False)
class Part:
    """Maps at the layer's resolution of which a part is compared, the same part of each.

    Attributes
    ----------
    maps
        (..., h, w) float64.
    axes
        Along h and along w.
    cells
        Rows and columns of the grid on which `numpy.asarray` gives the part.
    """

    maps: NDArray[np.float64]
    axes: tuple[Axis, Axis]
    cells: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the maps, before they are interpolated."""
        return self.maps.shape

    def reshape(self, *shape: int) -> Part:
        """The maps with their leading axes laid out in another way."""
        return Part(self.maps.reshape(*shape), self.axes, self.cells)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float64]:
        """(..., cells, cells): the part's pixels."""
        along_y, along_x = (axis.matrix(self.cells).numpy() for axis in self.axes)
        return np.asarray(along_y @ self.maps @ along_x.T, dtype=dtype)
