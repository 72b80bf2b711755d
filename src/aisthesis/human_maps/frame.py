"""Where a network's pixels lie on a photograph, and what people saw of it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from aisthesis.images import Transform

__all__ = ["BLUR", "Frame", "frames_of"]

Map = NDArray[np.float64]

#: SD of a fixation, in longer sides of the photograph: a degree where it fills 30 of them.
BLUR = 1 / 30


@dataclass(frozen=True)
class Frame:
    """The pixels that a network read of one photograph; bars beside it are left out.

    Parameters
    ----------
    box : tuple of float
        Left, top, right, bottom of what was read, in the photograph's pixels; it may reach beyond.
    grid_px : (int, int)
        Rows and columns that the network read.
    size_px : (float, float)
        Width and height of the photograph.
    """

    box: tuple[float, float, float, float]
    grid_px: tuple[int, int]
    size_px: tuple[float, float]

    @cached_property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns whose centres lie on the photograph."""
        y, x = self._centres
        rows = np.flatnonzero((y >= 0) & (y < self.size_px[1]))
        columns = np.flatnonzero((x >= 0) & (x < self.size_px[0]))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        rows, columns = self.window
        return rows.stop - rows.start, columns.stop - columns.start

    def cells(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.intp]:
        """Cells of the window, row by row, in which points of the photograph lie; -1 for none."""
        x, y = (np.asarray(each, dtype=np.float64) for each in (x_px, y_px))
        left, top, right, bottom = self.box
        rows, columns = self.window
        row = np.floor((y - top) / (bottom - top) * self.grid_px[0]) - rows.start
        column = np.floor((x - left) / (right - left) * self.grid_px[1]) - columns.start
        height, width = self.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        inside &= (x >= 0) & (x < self.size_px[0]) & (y >= 0) & (y < self.size_px[1])
        return np.where(inside, row * width + column, -1).astype(np.intp)

    def centres(self, cells: ArrayLike) -> tuple[Map, Map]:
        """Horizontal and vertical place of cells of the window, in the photograph's pixels."""
        row, column = np.divmod(np.asarray(cells, dtype=np.intp), self.shape[1])
        y, x = self._centres
        return x[self.window[1]][column], y[self.window[0]][row]

    def density(self, x_px: ArrayLike, y_px: ArrayLike, blur_px: float | None = None) -> Map:
        """Density of points of the photograph over the window: a Gaussian each, summing to one.

        Points beside the window count with what of them reaches into it.

        Parameters
        ----------
        x_px, y_px
            Places in the photograph's pixels, shape (P,).
        blur_px : float, optional
            SD of the Gaussian; a 30th of the photograph's longer side unless given.
        """
        sd = max(self.size_px) * BLUR if blur_px is None else blur_px
        y, x = self._centres
        along_y = _bumps(y[self.window[0]], np.asarray(y_px, dtype=np.float64), sd)
        along_x = _bumps(x[self.window[1]], np.asarray(x_px, dtype=np.float64), sd)
        found = along_y @ along_x.T
        total = found.sum()
        return np.asarray(found / total if total > 0 else np.full(self.shape, np.nan))

    def resampled(self, whole: ArrayLike) -> Map:
        """What of a map of the whole photograph, of any resolution, lies in the window."""
        array = np.asarray(whole, dtype=np.float32)
        height, width = array.shape
        across, down = width / self.size_px[0], height / self.size_px[1]
        left, top, right, bottom = self._edges
        box = (
            max(left * across, 0.0), max(top * down, 0.0),
            min(right * across, width), min(bottom * down, height),
        )  # fmt: skip
        size = self.shape[::-1]
        scaled = Image.fromarray(array).resize(size, Image.Resampling.BILINEAR, box=box)
        return np.asarray(scaled, dtype=np.float64)

    @cached_property
    def _centres(self) -> tuple[Map, Map]:
        left, top, right, bottom = self.box
        rows, columns = self.grid_px
        y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        return y, x

    @property
    def _edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the window, in the photograph's pixels."""
        rows, columns = self.window
        left, top, right, bottom = self.box
        tall, wide = (bottom - top) / self.grid_px[0], (right - left) / self.grid_px[1]
        return (
            left + columns.start * wide, top + rows.start * tall,
            left + columns.stop * wide, top + rows.stop * tall,
        )  # fmt: skip


def frames_of(transform: Transform, sizes_px: Sequence[tuple[float, float]]) -> list[Frame]:
    """What a network reads of photographs, given by width and height."""
    return [
        Frame(transform.crop_box(round(width), round(height)), transform.size_px, (width, height))
        for width, height in sizes_px
    ]


def _bumps(centres: Map, places: Map, sd: float) -> Map:
    """Gaussians around places (P,) at the centres of cells (n,): (n, P)."""
    return np.exp(-0.5 * ((centres[:, None] - places[None, :]) / sd) ** 2)
