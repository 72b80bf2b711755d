"""Where the places of a layer's output are: a grid of rows and columns, or tokens laid on one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aisthesis.errors import RequestError

__all__ = ["PlaceGrid", "place_grid"]

_MOST_PREFIX_TOKENS = 8


@dataclass(frozen=True)
class PlaceGrid:
    """Places of one layer's output.

    Attributes
    ----------
    height, width : int
        Rows and columns of the grid, h and w.
    channel_axis : int
        Axis of the output that counts channels.
    prefix : int
        Tokens before the grid's, which have no place and are never removed; 0 for a map.
    tokens : bool
        Whether the places lie one after another along a single axis.
    """

    height: int
    width: int
    channel_axis: int
    prefix: int = 0
    tokens: bool = False

    @property
    def count(self) -> int:
        """Number of places h·w."""
        return self.height * self.width

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes of the output that places lie along: rows and columns, or the tokens' one."""
        if self.tokens:
            return (3 - self.channel_axis,)
        return (2, 3) if self.channel_axis == 1 else (1, 2)

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape has these places."""
        sizes = [self.prefix + self.count] if self.tokens else [self.height, self.width]
        return len(shape) == len(self.axes) + 2 and [shape[axis] for axis in self.axes] == sizes

    def labels(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """Number of every entry's place + 1, 0 for none; axes without places have size 1."""
        numbers = torch.arange(1, self.count + 1, dtype=torch.int32, device=device)
        shape = [1] * (len(self.axes) + 2)
        if self.tokens:
            numbers = torch.cat([numbers.new_zeros(self.prefix), numbers])
            shape[self.axes[0]] = -1
        else:
            shape[self.axes[0]], shape[self.axes[1]] = self.height, self.width
        return numbers.reshape(shape)

    def without_places(self, activation: torch.Tensor, replace: str) -> torch.Tensor:
        """The output with every place removed; tokens before the grid's stay.

        Parameters
        ----------
        activation : (N, ...)
            The layer's output.
        replace : {"zero", "mean"}
            Put zero, or each channel's mean over the places of the image.
        """
        if replace == "zero":
            instead = torch.zeros_like(activation)
        else:
            own = activation
            if self.tokens:
                own = activation.narrow(self.axes[0], self.prefix, self.count)
            instead = own.mean(self.axes, keepdim=True).expand_as(activation)
        if not self.prefix:
            return instead
        return torch.where(self.labels(activation.device) > 0, instead, activation)

    def windows(self, side: int) -> np.ndarray:
        """Places removed together with each place, (h·w, h·w) bool: a square cut off at edges."""
        near = [np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= side // 2
                for n in (self.height, self.width)]  # fmt: skip
        return np.einsum("ab,cd->acbd", *near).reshape(self.count, self.count)


def place_grid(
    shape: Sequence[int], channel_axis: int, grid: tuple[int, int] | None, layer: str
) -> PlaceGrid:
    """Read the grid off the shape of a layer's output.

    Parameters
    ----------
    shape
        (N, C, h, w), (N, h, w, C), or (N, T, C) or (N, C, T) with T tokens.
    channel_axis
        Axis that counts channels.
    grid
        Rows and columns. Needed for tokens that do not form a square (up to eight tokens before
        the grid's are found by themselves); for maps it only has to agree.
    layer
        Its name, for messages.

    Raises
    ------
    RequestError
        If the output has no places, or `grid` does not fit it.
    """
    if len(shape) == 4 and channel_axis in (1, 3):
        height, width = (shape[2], shape[3]) if channel_axis == 1 else (shape[1], shape[2])
        if grid is not None and tuple(grid) != (height, width):
            raise RequestError(
                f"expected grid {(height, width)} for the output of {layer}, "
                f"got {tuple(grid)}; leave it out"
            )
        return PlaceGrid(height, width, channel_axis)
    if len(shape) != 3:
        raise RequestError(
            f"expected a layer whose output has places, (N, C, h, w), (N, h, w, C) or (N, T, C), "
            f"got {tuple(shape)} from {layer}; choose an earlier layer"
        )
    tokens = shape[3 - channel_axis]
    height, width = grid if grid is not None else _square(tokens, layer)
    if height < 1 or width < 1 or height * width > tokens:
        raise RequestError(
            f"expected a grid of at most the {tokens} tokens of {layer}, got {height} × {width}"
        )
    return PlaceGrid(height, width, channel_axis, tokens - height * width, tokens=True)


def _square(tokens: int, layer: str) -> tuple[int, int]:
    for prefix in range(_MOST_PREFIX_TOKENS + 1):
        side = math.isqrt(max(tokens - prefix, 0))
        if side > 1 and side * side == tokens - prefix:
            return side, side
    raise RequestError(
        f"the {tokens} tokens of {layer} form no square grid; say grid=(rows, columns)"
    )
