"""Windows cut from maps, set into each other and into maps: one window for each place.

Windows are (P, N, C, h, w) and lie in memory as (P, N, h, w, C): what slides over maps is faster
so, and cutting moves whole rows of channels.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Index", "channels_last", "patches_of", "placed_at"]

Index = NDArray[np.int64]


def channels_last(windows: Tensor) -> Tensor:
    """Windows (P, N, h, w, C), contiguous."""
    return windows.movedim(2, 4).contiguous()


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
    value = value.permute(0, 2, 3, 1).contiguous()
    every = value.unfold(1, sizes[0], 1).unfold(2, sizes[1], 1)  # (N, rows, columns, C, h, w)
    y, x = (
        torch.as_tensor(start + before, device=value.device)
        for start, before in zip(starts, (top, left), strict=True)
    )
    return every.permute(1, 2, 0, 4, 5, 3)[y, x].contiguous().movedim(4, 2)


def placed_at(own: Tensor, shifts: tuple[Index, Index], sizes: tuple[int, int]) -> Tensor:
    """Windows set into larger or other windows, each shifted by so much; zero around them."""
    kinds, of = np.unique(np.stack(shifts, 1), axis=0, return_inverse=True)
    if len(kinds) == 1 and not kinds.any() and tuple(own.shape[3:]) == tuple(sizes):
        return own
    own = channels_last(own)
    result = own.new_zeros(*own.shape[:2], *sizes, own.shape[4])
    for number, shift in enumerate(kinds):
        (to_y, from_y), (to_x, from_x) = (
            _common(int(by), cells, size)
            for by, cells, size in zip(shift, own.shape[2:4], sizes, strict=True)
        )
        if len(kinds) == 1:
            result[:, :, to_y, to_x] = own[:, :, from_y, from_x]
        else:
            chosen = torch.as_tensor(np.flatnonzero(of.reshape(-1) == number), device=own.device)
            result[chosen, :, to_y, to_x] = own[chosen, :, from_y, from_x]
    return result.movedim(4, 2)


def _common(shift: int, cells: int, size: int) -> tuple[slice, slice]:
    """Where cells that are shifted lie in a window of some size, and which of them do."""
    start, stop = max(shift, 0), min(shift + cells, size)
    stop = max(stop, start)
    return slice(start, stop), slice(start - shift, stop - shift)
