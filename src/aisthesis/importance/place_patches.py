"""Windows cut from maps, set into each other and into maps: one window for each place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Index", "inside", "patches_of", "placed_at", "single_shift"]

Index = NDArray[np.int64]


def patches_of(value: Tensor, starts: tuple[Index, Index], sizes: tuple[int, int],
               fill: float = 0.0) -> Tensor:  # fmt: skip
    """Windows (P, N, C, h, w) of a map (N, C, H, W); `fill` lies around the map."""
    top, left = (max(0, -int(start.min())) for start in starts)
    bottom, right = (
        max(0, int(start.max()) + size - length)
        for start, size, length in zip(starts, sizes, value.shape[2:], strict=True)
    )
    if top or left or bottom or right:
        value = F.pad(value, (left, right, top, bottom), value=fill)
    every = value.unfold(2, sizes[0], 1).unfold(3, sizes[1], 1)  # (N, C, rows, columns, h, w)
    y, x = (
        torch.as_tensor(start + before, device=value.device)
        for start, before in zip(starts, (top, left), strict=True)
    )
    return every.permute(2, 3, 0, 1, 4, 5)[y, x]


def inside(starts: tuple[Index, Index], sizes: tuple[int, int], shape: Any, like: Tensor) -> Tensor:
    """Which cells of every window lie in a map, (P, 1, 1, h, w) bool."""
    masks = []
    for start, size, length in zip(starts, sizes, shape[2:], strict=True):
        cells = start[:, None] + np.arange(size)
        masks.append(torch.as_tensor((cells >= 0) & (cells < length), device=like.device))
    return (masks[0][:, :, None] & masks[1][:, None, :])[:, None, None]


def placed_at(own: Tensor, shifts: tuple[Index, Index], sizes: tuple[int, int]) -> Tensor:
    """Windows set into larger or other windows, each shifted by so much; zero around them."""
    kinds, of = np.unique(np.stack(shifts, 1), axis=0, return_inverse=True)
    if len(kinds) == 1:
        return _set(own, kinds[0], sizes)
    result = own.new_zeros(*own.shape[:3], *sizes)
    for number, shift in enumerate(kinds):
        chosen = torch.as_tensor(np.flatnonzero(of.reshape(-1) == number), device=own.device)
        result[chosen] = _set(own[chosen], shift, sizes)
    return result


def single_shift(shifts: tuple[Index, Index]) -> tuple[int, int] | None:
    """The shift of all places, if it is one."""
    down, right = shifts
    alike = bool((down == down[0]).all() and (right == right[0]).all())
    return (int(down[0]), int(right[0])) if alike else None


def _set(own: Tensor, shift: Index, sizes: tuple[int, int]) -> Tensor:
    down, right = int(shift[0]), int(shift[1])
    below, beyond = sizes[0] - down - own.shape[3], sizes[1] - right - own.shape[4]
    around = (right, beyond, down, below)
    return F.pad(own, around) if any(around) else own
