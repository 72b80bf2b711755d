"""How an operation that slides a window over its input reads one axis of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import fx, nn

from aisthesis.ablation.ops import argument

__all__ = ["Options", "Sliding", "Spans", "convolution_options", "pool_options"]

Pair = tuple[int, int]
Options = tuple[Pair, Pair, Pair, Pair]
"""Kernel, stride, padding before, dilation; rows and columns of each."""


@dataclass(frozen=True)
class Spans:
    """What lies between `start` and `stop` along one axis, for each of n positions.

    Attributes
    ----------
    start, stop : (n,) int
        First cell, and first cell after the last.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) cells of each span, at least 1: where nothing is reached, one intact cell stays."""
        return np.maximum(self.stop - self.start, 1)

    def union(self, other: Spans) -> Spans:
        """The smallest spans that hold both."""
        return Spans(np.minimum(self.start, other.start), np.maximum(self.stop, other.stop))


@dataclass(frozen=True)
class Sliding:
    """One axis of a convolution or a pool.

    Output cell o reads the input cells ``o * stride - padding + dilation * j`` for
    ``j = 0 .. kernel - 1``; those outside the input hold the padding's value.

    Parameters
    ----------
    kernel, stride, padding, dilation : int
        `padding` before the first cell.
    length_in, length_out : int
        Cells of the axis before and after.
    """

    kernel: int
    stride: int
    padding: int
    dilation: int
    length_in: int
    length_out: int

    @classmethod
    def along_both(
        cls, options: Options, size_in: Sequence[int], size_out: Sequence[int]
    ) -> tuple[Sliding, Sliding]:
        """How an operation slides over rows and over columns."""
        rows, columns = (
            cls(
                options[0][axis], options[1][axis], options[2][axis], options[3][axis],
                int(size_in[axis]), int(size_out[axis]),
            )
            for axis in (0, 1)
        )  # fmt: skip
        return rows, columns

    @property
    def reach(self) -> int:
        """Input cells from the first to the last that one output cell reads."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padding_after(self) -> int:
        """Cells that the last output reads beyond the end of the input."""
        end = (self.length_out - 1) * self.stride - self.padding + self.reach
        return max(0, end - self.length_in)

    def reached(self, spans: Spans) -> Spans:
        """Output cells that read any input cell of each span."""
        first = -((self.reach - 1 - self.padding - spans.start) // self.stride)
        last = (spans.stop - 1 + self.padding) // self.stride
        start = np.clip(first, 0, self.length_out - 1)
        return Spans(start, np.clip(last + 1, start, self.length_out))

    def cells_read(self, n_out: int) -> int:
        """Input cells that `n_out` neighbouring outputs read."""
        return (n_out - 1) * self.stride + self.reach


def convolution_options(module: Any) -> Options:
    """How a Conv2d slides; `"same"` padding in numbers."""
    kernel, stride, dilation = map(_pair, (module.kernel_size, module.stride, module.dilation))
    if isinstance(module.padding, str):
        whole = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = (whole[0] // 2, whole[1] // 2) if module.padding == "same" else (0, 0)
    else:
        padding = _pair(module.padding)
    return kernel, stride, padding, dilation


def pool_options(node: fx.Node, module: nn.Module | None, name: str) -> Options | None:
    """How a max_pool2d or avg_pool2d slides; None if a mean's divisor differs by cell."""
    kernel = _pair(argument(node, module, 1, "kernel_size"))
    given = argument(node, module, 2, "stride")
    stride = kernel if given in (None, [], ()) else _pair(given)
    padding = _pair(argument(node, module, 3, "padding", 0))
    if name == "max_pool2d":
        return kernel, stride, padding, _pair(argument(node, module, 4, "dilation", 1))
    rounded_up = argument(node, module, 4, "ceil_mode", False)
    counts_padding = argument(node, module, 5, "count_include_pad", True)
    other = argument(node, module, 6, "divisor_override")
    if rounded_up or other is not None or (padding != (0, 0) and not counts_padding):
        return None
    return kernel, stride, padding, (1, 1)


def _pair(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
