"""Where the squares lie: centred at every position of a regular grid over the image."""

from __future__ import annotations

import numpy as np

from aisthesis.ablation.sliding import Spans
from aisthesis.errors import RequestError

__all__ = ["squares_along"]


def squares_along(side_px: int, size_px: int, stride_px: float) -> Spans:
    """Squares' edges along one axis: side `size_px`, centres about `stride_px` apart.

    The axis is divided into ``n = round(side / stride)`` cells of equal width, and each square is
    centred on a cell, so that the scores are a map whose cells tile the image. What would stick
    out of the image is cut off.

    Parameters
    ----------
    side_px
        Length of the axis.
    size_px
        Side of the squares, 1 to `side_px`.
    stride_px
        Wanted distance of the centres, above 0 and at most `side_px`.

    Returns
    -------
    Spans
        In pixels, n of them.

    Raises
    ------
    RequestError
        If size or stride do not fit the image.
    """
    if not 1 <= size_px <= side_px:
        raise RequestError(
            f"expected squares of 1 to {side_px} px in an image of {side_px} px, got {size_px}; "
            "choose another size"
        )
    if not 0 < stride_px <= side_px:
        raise RequestError(
            f"expected a stride above 0 and at most {side_px} px, got {stride_px}; "
            "choose another stride"
        )
    n = max(1, round(side_px / stride_px))
    centre = np.floor((np.arange(n) + 0.5) * side_px / n).astype(np.int64)
    start = centre - size_px // 2
    return Spans(np.maximum(start, 0), np.minimum(start + size_px, side_px))
