"""Squares of a photograph covered one after another: the map of whatever reads photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from aisthesis.errors import RequestError

__all__ = ["photograph_masking_map"]


def photograph_masking_map(
    predict: Callable[[Sequence[Image.Image]], ArrayLike],
    photograph: Image.Image,
    *,
    square: float = 0.125,
    grid: int = 14,
    batch_size: int = 16,
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float64]:
    """Cover squares of a photograph and see how far the prediction falls.

    For an ensemble whose members crop and scale the photograph each in its own way, this is the
    direct explanation: every member sees the same masked picture.

    Parameters
    ----------
    predict : callable
        Photographs to predictions (N,), in rating units, a `PhotographEnsemble` for example.
    photograph : PIL.Image.Image
        Mode RGB.
    square : float
        Side of the square, as a share of the photograph's shorter side. It is filled with the
        photograph's mean colour and cut off at the border.
    grid : int
        Positions along each side, at the centres of a `grid` × `grid` division of the photograph.
    batch_size : int
        Masked photographs at a time.
    advance : callable
        Told how many positions were just done.

    Returns
    -------
    ndarray
        Shape (grid, grid): prediction of the photograph less that of the masked one, in rating
        units: positive where what is covered raises the prediction. Squares overlap, so the map
        does not sum to anything.

    Raises
    ------
    RequestError
        If the photograph is not RGB or a number is out of range.
    """
    if photograph.mode != "RGB":
        raise RequestError(f"expected an RGB photograph, got mode {photograph.mode!r}")
    if not 0 < square <= 1 or grid < 1 or batch_size < 1:
        raise RequestError(
            f"expected a square in (0, 1] and at least one position and image at a time, got "
            f"{square}, {grid} and {batch_size}"
        )
    width, height = photograph.size
    side = max(1, round(square * min(width, height)))
    mean = np.asarray(photograph, dtype=np.float64).mean(axis=(0, 1))
    colour = tuple(int(value) for value in np.rint(mean))
    corners = [
        (round(width * (x + 0.5) / grid - side / 2), round(height * (y + 0.5) / grid - side / 2))
        for y in range(grid)
        for x in range(grid)
    ]
    intact = float(np.asarray(predict([photograph]))[0])
    falls: list[float] = []
    for start in range(0, len(corners), batch_size):
        masked = []
        for left, top in corners[start : start + batch_size]:
            covered = photograph.copy()
            covered.paste(colour, (left, top, left + side, top + side))
            masked.append(covered)
        falls += (intact - np.asarray(predict(masked), dtype=np.float64)).tolist()
        advance(len(masked))
    return np.array(falls).reshape(grid, grid)
