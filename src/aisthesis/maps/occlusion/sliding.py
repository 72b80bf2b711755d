"""How an operation that slides a window over its input reads one axis of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aisthesis.maps.occlusion.squares import Spans

__all__ = ["Sliding"]


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
