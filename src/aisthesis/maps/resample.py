"""Bilinear resampling as the linear map that it is."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from aisthesis.errors import RequestError

__all__ = ["interpolation_matrix", "upsample"]


def interpolation_matrix(n_in: int, n_out: int) -> Tensor:
    """Bilinear interpolation along one axis, as a matrix.

    Half-pixel centres, edges repeated, no corner alignment and no antialias: the matrix of
    ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` for one axis. A map
    ``M`` (h, w) becomes ``interpolation_matrix(h, H) @ M @ interpolation_matrix(w, W).T``.

    Parameters
    ----------
    n_in, n_out
        Length of the axis before and after, at least 1.

    Returns
    -------
    Tensor
        (n_out, n_in), float64, on the CPU; each row sums to one. It is the caller's to change.
    """
    if n_in < 1 or n_out < 1:
        raise RequestError(
            f"expected axes of at least one cell, got {n_in} to resample to {n_out}; "
            "give positive sizes"
        )
    return _matrix(int(n_in), int(n_out)).clone()


@lru_cache(maxsize=64)
def _matrix(n_in: int, n_out: int) -> Tensor:
    position = ((torch.arange(n_out, dtype=torch.float64) + 0.5) * n_in / n_out - 0.5).clamp(min=0)
    left = position.floor().long().clamp(max=n_in - 1)
    right = (left + 1).clamp(max=n_in - 1)
    to_right = position - left
    matrix = torch.zeros(n_out, n_in, dtype=torch.float64)
    rows = torch.arange(n_out)
    matrix[rows, left] += 1 - to_right
    matrix[rows, right] += to_right
    return matrix


def upsample(maps: Tensor, size_px: int | tuple[int, int]) -> Tensor:
    """Resample maps bilinearly to the pixel grid on which they are looked at and compared.

    Parameters
    ----------
    maps
        (..., h, w) floating-point maps.
    size_px
        Side of the square pixel grid, or its (height, width).

    Returns
    -------
    Tensor
        (..., height, width), dtype and device of `maps`; values as
        ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` gives them.
    """
    if maps.ndim < 2 or not maps.is_floating_point():
        raise RequestError(
            f"expected floating-point maps of shape (..., h, w), got {maps.dtype} of shape "
            f"{tuple(maps.shape)}; give the maps as a float tensor"
        )
    height, width = (size_px, size_px) if isinstance(size_px, int) else size_px
    if maps.shape[-2:] == (height, width):
        return maps
    along_y = interpolation_matrix(maps.shape[-2], height).to(maps)
    along_x = interpolation_matrix(maps.shape[-1], width).to(maps)
    return along_y @ maps @ along_x.mT
