"""The grid of square cells in which pixels are removed, and the order that a map gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aisthesis.errors import RequestError
from aisthesis.maps.resample import interpolation_matrix
from aisthesis.maps.standardise import FLAT_TOLERANCE

__all__ = ["ORDERS", "CellGrid", "cell_values", "removal_orders"]

#: Highest or lowest value first; largest or smallest magnitude first.
ORDERS: tuple[str, ...] = ("highest", "lowest", "largest", "smallest")
_DIGITS = 9  # of a map's largest magnitude: what differs by less is a tie


@dataclass(frozen=True)
class CellGrid:
    """Square cells over an image, from its upper left corner; the last ones may be cut off.

    Parameters
    ----------
    height_px, width_px : int
        Of the image.
    cell_px : int
        Side of a cell; 1 for single pixels.
    """

    height_px: int
    width_px: int
    cell_px: int

    def __post_init__(self) -> None:
        if not 1 <= self.cell_px <= max(self.height_px, self.width_px):
            raise RequestError(
                f"expected cells of 1 px to the image's {self.height_px} x {self.width_px} px, "
                f"got cell_px = {self.cell_px}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-self.height_px // self.cell_px), -(-self.width_px // self.cell_px)

    def __len__(self) -> int:
        rows, columns = self.shape
        return rows * columns

    def pixels(self, cells: NDArray[np.bool_]) -> Tensor:
        """Pixels of sets of cells: (S, cells), bool, to (S, height, width), bool."""
        grid = torch.from_numpy(np.ascontiguousarray(cells)).reshape(len(cells), *self.shape)
        wide = grid.repeat_interleave(self.cell_px, 1).repeat_interleave(self.cell_px, 2)
        return wide[:, : self.height_px, : self.width_px]

    def areas(self) -> NDArray[np.float64]:
        """Pixels of every cell, (cells,)."""
        sides = [_starts_and_ends(n, self.cell_px) for n in (self.height_px, self.width_px)]
        rows, columns = ((ends - starts).astype(np.float64) for starts, ends in sides)
        return np.outer(rows, columns).ravel()


def _starts_and_ends(n_px: int, cell_px: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    starts = np.arange(0, n_px, cell_px)
    return starts, np.minimum(starts + cell_px, n_px)


def _averaging(n_map: int, n_px: int, cell_px: int) -> Tensor:
    """Means over cells of a map upsampled along one axis: (cells, n_map), float64."""
    onto_pixels = interpolation_matrix(n_map, n_px)
    spans = zip(*_starts_and_ends(n_px, cell_px), strict=True)
    return torch.stack([onto_pixels[start:end].mean(dim=0) for start, end in spans])


def cell_values(maps: ArrayLike, grid: CellGrid, name: str = "maps") -> NDArray[np.float64]:
    """Mean of each map over each cell, the map being upsampled bilinearly to the image.

    Parameters
    ----------
    maps : array
        Shape (N, h, w), any resolution.
    grid : CellGrid
        Cells of the image.
    name : str
        How an error calls the maps.

    Returns
    -------
    ndarray
        Shape (N, cells). A map that is not finite, or flat over the cells, has no order: its row
        is NaN.
    """
    array = np.asarray(maps, dtype=np.float64)
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise RequestError(f"expected {name} of shape (N, h, w), got {array.shape}")
    along_y = _averaging(array.shape[1], grid.height_px, grid.cell_px)
    along_x = _averaging(array.shape[2], grid.width_px, grid.cell_px)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(array).all(axis=(1, 2)))
    means = along_y @ torch.from_numpy(np.where(finite[:, None, None], array, 0.0)) @ along_x.mT
    values = means.reshape(len(array), len(grid)).numpy()
    spread = values.max(axis=1) - values.min(axis=1)
    flat = spread <= FLAT_TOLERANCE * np.abs(values).max(axis=1)
    values[np.flatnonzero(~finite | flat)] = np.nan
    return values


def removal_orders(values: NDArray[np.float64], seed: int) -> dict[str, NDArray[np.intp]]:
    """Orders in which one map removes cells, by the names of `ORDERS`.

    Parameters
    ----------
    values : ndarray
        Shape (cells,), finite.
    seed : int
        Decides among cells of equal value.

    Returns
    -------
    dict
        Of arrays (cells,): numbers of the cells, the first to be removed first. ``lowest`` is
        ``highest`` backwards, and ``smallest`` is ``largest`` backwards.
    """
    scale = np.abs(values).max()
    rounded = np.round(values / scale, _DIGITS) if scale > 0 else np.zeros_like(values)
    chance = np.random.default_rng(seed).random(len(values))
    highest = np.lexsort((chance, -rounded))
    largest = np.lexsort((chance, -np.abs(rounded)))
    return {
        "highest": highest,
        "lowest": highest[::-1],
        "largest": largest,
        "smallest": largest[::-1],
    }
