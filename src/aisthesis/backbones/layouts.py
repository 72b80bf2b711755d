"""How the output of a layer is laid out as channels on a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

__all__ = ["MapLayout", "layout_of"]

MAX_PREFIX_TOKENS = 8


@dataclass(frozen=True)
class MapLayout:
    """Where the channels and the grid are in a layer's output.

    Parameters
    ----------
    kind : {"channels_first", "channels_last", "tokens", "tokens_last"}
        (N, C, h, w) as in convolutional networks; (N, h, w, C); (N, T, C) as in vision
        transformers; or (N, C, T), which is recognised but never taken.
    channels, height_map, width_map : int
        C, h and w.
    prefix_tokens : int
        Tokens before the grid's (class and register tokens); 0 unless `kind` is "tokens".
    """

    kind: Literal["channels_first", "channels_last", "tokens", "tokens_last"]
    channels: int
    height_map: int
    width_map: int
    prefix_tokens: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w)."""
        return (self.channels, self.height_map, self.width_map)

    @property
    def places(self) -> int:
        """Cells of the grid, and tokens before them."""
        return self.prefix_tokens + self.height_map * self.width_map

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the output's axes, the images' left out."""
        h, w = self.height_map, self.width_map
        return {
            "channels_first": (self.channels, h, w),
            "channels_last": (h, w, self.channels),
            "tokens": (self.places, self.channels),
            "tokens_last": (self.channels, self.places),
        }[self.kind]

    def transposed(self, size_px: tuple[int, int]) -> MapLayout | None:
        """Read the same shape with places where this has channels; None where that is no map."""
        if self.kind == "tokens":
            other = _token_layout(self.channels, self.places, size_px)
            return None if other is None else replace(other, kind="tokens_last")
        if self.channels == self.height_map == self.width_map:
            kinds = {"channels_first": "channels_last", "channels_last": "channels_first"}
            return replace(self, kind=kinds[self.kind])  # type: ignore[arg-type]
        return None

    @property
    def channel_axis(self) -> int:
        """The axis of the layer's output that runs over channels."""
        return 1 if self.kind in ("channels_first", "tokens_last") else -1

    def to_map(self, output: Tensor) -> Tensor:
        """Give the layer's output as (N, C, h, w); prefix tokens have no place and are left out."""
        if self.kind == "channels_first":
            return output
        if self.kind == "channels_last":
            return output.permute(0, 3, 1, 2)
        by_channel = output if self.kind == "tokens_last" else output.transpose(1, 2)
        grid = by_channel[..., self.prefix_tokens :]  # (N, C, h * w)
        return grid.reshape(output.shape[0], *self.shape)


def layout_of(
    shape: tuple[int, ...], n_images: int, size_px: tuple[int, int] = (1, 1)
) -> MapLayout | None:
    """Read the layout off the shape of a layer's output.

    Parameters
    ----------
    shape : tuple of int
        Shape of the output for a batch of `n_images` images.
    n_images : int
        Size of the batch.
    size_px : (int, int)
        Height and width of the images, of which grids keep the shape; square ones by default.

    Returns
    -------
    MapLayout or None
        None where the output is no map: another batch size, no grid, or one of one cell.
    """
    if len(shape) < 3 or shape[0] != n_images or 0 in shape:
        return None
    if len(shape) == 4:
        return _grid_layout(shape[1], shape[2], shape[3], size_px)
    return _token_layout(shape[1], shape[2], size_px) if len(shape) == 3 else None


def _grid_layout(first: int, second: int, third: int, size_px: tuple[int, int]) -> MapLayout | None:
    # Grids have the images' shape, so the odd one out is the channel axis.
    if _is_grid(second, third, size_px):
        return MapLayout("channels_first", first, second, third)
    if _is_grid(first, second, size_px):
        return MapLayout("channels_last", third, first, second)
    return None


def _is_grid(rows: int, columns: int, size_px: tuple[int, int]) -> bool:
    """Whether so many cells have the images' shape; sides that do not divide are rounded."""
    height, width = size_px
    slack = 0 if height == width else max(height, width)
    return max(rows, columns) > 1 and abs(rows * width - columns * height) <= slack


def _token_layout(tokens: int, channels: int, size_px: tuple[int, int]) -> MapLayout | None:
    for prefix in range(MAX_PREFIX_TOKENS + 1):
        cells = tokens - prefix
        rows = round(math.sqrt(max(cells, 0) * size_px[0] / size_px[1]))
        if rows > 0 and cells % rows == 0 and _is_grid(rows, cells // rows, size_px):
            return MapLayout("tokens", channels, rows, cells // rows, prefix)
    return None
