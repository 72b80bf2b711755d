"""3 × 3 convolutions by Winograd's algorithm (Toom and Cook's), channels last, on the processor.

A tile of m outputs along an axis follows from m + 2 products instead of 3·m: input and kernel are
evaluated at m + 2 points as if they were polynomials, and the products are interpolated. Both
transforms are small matrix products here, and what lies between them is one matrix product over
the channels for every pair of points. Tiles of unequal size lie side by side along an axis (14 =
4 + 4 + 3 + 3), and the points of a small tile are among those of a large one, so that all of them
share the transformed kernel.

References
----------
Lavin & Gray 2016, Fast algorithms for convolutional neural networks, CVPR.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["WORK", "Axis", "convolved", "kernel_at_points", "suits"]

WORK = 0.45  # time of such a convolution as a share of the direct one's, transforms included

_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # and infinity; these round less than 0, ±1, ±2
_LARGEST_TILE = len(_POINTS) - 1
_TAPS = 3
_LEAST_CHANNELS = 64  # below, the transforms cost more than they save


def suits(name: str, module: Any, dtype: torch.dtype | None) -> bool:
    """Whether an operation is a 3 × 3 convolution that is faster so, as measured on processors.

    Parameters
    ----------
    name, module
        Of the operation.
    dtype
        Precision of the computation, None for the module's own.
    """
    if name != "conv2d" or module is None or module.groups != 1 or isinstance(module.padding, str):
        return False
    plain = (module.kernel_size, module.stride, module.dilation) == ((3, 3), (1, 1), (1, 1))
    wide = min(module.in_channels, module.out_channels) >= _LEAST_CHANNELS
    precise = (dtype or module.weight.dtype) in (torch.float32, torch.float64)
    zeros = module.padding_mode == "zeros"
    return plain and wide and precise and zeros and module.weight.device.type == "cpu"


@dataclass(frozen=True)
class Axis:
    """How one axis of `length` outputs is tiled, and evaluated at points.

    Evaluations are ordered by point, so that those at one point lie together.
    """

    length: int

    @cached_property
    def tiles(self) -> list[tuple[int, int]]:
        """First output and size of every tile."""
        count = -(-self.length // _LARGEST_TILE)
        sizes = [self.length // count + (i < self.length % count) for i in range(count)]
        return [(sum(sizes[:i]), size) for i, size in enumerate(sizes)]

    @cached_property
    def evaluations(self) -> list[tuple[int, int, int]]:
        """Point, tile, and the point's position in the tile's own matrices, of each evaluation."""
        last = len(_POINTS)
        found = []
        for point in range(last + 1):
            for number, (_, size) in enumerate(self.tiles):
                own = size + 1 if point == last else point
                if point == last or point <= size:
                    found.append((point, number, own))
        return found

    @cached_property
    def slices(self) -> list[tuple[int, slice]]:
        """Points in use, and where their evaluations are."""
        points = [point for point, _, _ in self.evaluations]
        return [
            (point, slice(points.index(point), points.index(point) + points.count(point)))
            for point in sorted(set(points))
        ]

    @cached_property
    def interpolation(self) -> NDArray[np.float64]:
        """From the evaluations to the outputs, (length, E)."""
        result = np.zeros((self.length, len(self.evaluations)))
        for column, (_, number, own) in enumerate(self.evaluations):
            start, size = self.tiles[number]
            result[start : start + size, column] = _matrices(size)[0][:, own]
        return result

    def evaluation(self, shift: int, cells: int) -> NDArray[np.float64]:
        """From `cells` input cells to the evaluations, (E, cells).

        Output o reads the cells o - shift, o - shift + 1 and o - shift + 2; those that are not
        among the given ones are zero.
        """
        result = np.zeros((len(self.evaluations), cells))
        for row, (_, number, own) in enumerate(self.evaluations):
            start, size = self.tiles[number]
            read = start - shift + np.arange(size + _TAPS - 1)
            known = (read >= 0) & (read < cells)
            result[row, read[known]] = _matrices(size)[1][own, known]
        return result


def kernel_at_points(weight: Tensor) -> Tensor:
    """A kernel (O, C, 3, 3) at every pair of points, (points, points, C, O)."""
    rows = _matrices(_LARGEST_TILE)[2]
    both = np.einsum("ai,bj->abij", rows, rows).reshape(-1, _TAPS * _TAPS)
    flat = weight.permute(2, 3, 1, 0).reshape(_TAPS * _TAPS, -1)
    product = torch.as_tensor(both, dtype=weight.dtype) @ flat
    return product.reshape(len(rows), len(rows), weight.shape[1], weight.shape[0])


def convolved(
    x: Tensor,
    kernel: Tensor,
    axes: tuple[Axis, Axis],
    evaluations: tuple[Tensor, Tensor],
) -> Tensor:
    """Convolve maps.

    Parameters
    ----------
    x : (B, H, W, C)
        Maps, contiguous.
    kernel : (points, points, C, O)
        See `kernel_at_points`.
    axes
        Rows and columns of the result.
    evaluations : (B or 1, E_h, H) and (B or 1, E_w, W)
        Matrices of `Axis.evaluation`, one for all maps or one for each.

    Returns
    -------
    (B, h, w, O)
    """
    count, height, width, channels = x.shape
    rows, columns = (matrix.expand(count, -1, -1) for matrix in evaluations)
    at_rows = torch.bmm(rows, x.reshape(count, height, width * channels))
    deep, wide = rows.shape[1], columns.shape[1]
    at_both = torch.bmm(
        columns.unsqueeze(1).expand(-1, deep, -1, -1).reshape(count * deep, wide, width),
        at_rows.view(count * deep, width, channels),
    ).view(count, deep, wide, channels)
    outputs = kernel.shape[-1]
    products = at_both.new_empty(count, deep, wide, outputs)
    for first, down in axes[0].slices:
        for second, right in axes[1].slices:
            own = at_both[:, down, right]
            product = own.reshape(-1, channels) @ kernel[first, second]
            products[:, down, right] = product.view(*own.shape[:3], outputs)
    back_rows, back_columns = (
        torch.as_tensor(axis.interpolation, dtype=x.dtype).unsqueeze(0) for axis in axes
    )
    result = torch.bmm(
        back_columns.expand(count * deep, -1, -1), products.view(count * deep, wide, outputs)
    ).view(count, deep, -1)
    result = torch.bmm(back_rows.expand(count, -1, -1), result)
    return result.view(count, axes[0].length, axes[1].length, outputs)


@lru_cache
def _matrices(size: int) -> tuple[NDArray[np.float64], ...]:
    """Interpolation (m, n), evaluation of the input (n, n) and of the kernel (n, 3), n = m + 2."""
    count = size + _TAPS - 1
    powers = np.array([*(np.power(p, np.arange(count)) for p in _POINTS[: count - 1]),
                       np.eye(count)[-1]])  # fmt: skip
    infinity = np.eye(count)

    def cut(columns: int) -> NDArray[np.float64]:
        return np.array([*powers[:-1, :columns], infinity[columns - 1, :columns]])

    return cut(size).T, np.linalg.inv(powers).T, cut(_TAPS)
