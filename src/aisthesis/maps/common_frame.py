"""Maps of networks that saw different parts of a photograph, on one grid over the photograph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisthesis.errors import RequestError

__all__ = ["as_boxes", "ensemble_map", "linear_weights", "onto_frame", "union_of_boxes"]

Array = NDArray[np.float64]
_ROUNDING = 1e-9


def union_of_boxes(boxes: Sequence[ArrayLike]) -> Array:
    """Give the smallest boxes that hold those of all members.

    Parameters
    ----------
    boxes : sequence of M arrays
        Each (N, 4): left, top, right, bottom of what a member saw of each photograph, in the
        photograph's pixels, as `Transform.crop_box` gives them.

    Returns
    -------
    ndarray
        (N, 4).
    """
    stacked = np.stack([as_boxes(each) for each in boxes])
    return np.concatenate([stacked[:, :, :2].min(axis=0), stacked[:, :, 2:].max(axis=0)], axis=1)


def onto_frame(
    maps: ArrayLike, boxes: ArrayLike, frames: ArrayLike, size: int | tuple[int, int]
) -> Array:
    """Bring maps in rating units from what a network saw to a frame over the photograph.

    Between the centres of cells the map is interpolated bilinearly, edges repeated, as for looking
    at it; each cell's weights are then scaled to sum to one, so the cell's rating units are spread
    and not multiplied: what lies in the frame has the sum it had. Outside what the network saw the
    map is 0, which is exact: pixels that were cropped away cannot change the prediction.

    Parameters
    ----------
    maps : array
        Shape (N, h, w), rating units per cell (`rating_unit_map`).
    boxes, frames : array
        Shape (N, 4): left, top, right, bottom of the part that the network saw, and of the frame,
        in the photograph's pixels.
    size : int or (int, int)
        Rows and columns of the grid over the frame. Its cells must not be larger than the map's.

    Returns
    -------
    ndarray
        Shape (N, rows, columns), rating units per grid cell.

    Raises
    ------
    RequestError
        If shapes do not fit, a box is empty, or the grid is coarser than the map.
    """
    each = np.asarray(maps, dtype=np.float64)
    seen, framed = as_boxes(boxes), as_boxes(frames)
    if each.ndim != 3 or len(each) != len(seen) or len(each) != len(framed):
        raise RequestError(
            f"expected maps (N, h, w) with a box and a frame each, got maps {each.shape}, "
            f"{len(seen)} boxes and {len(framed)} frames"
        )
    rows, columns = (size, size) if isinstance(size, int) else size
    result = np.empty((len(each), rows, columns))
    for index, (one, box, frame) in enumerate(zip(each, seen, framed, strict=True)):
        along_y = _spread(one.shape[0], box[1], box[3], frame[1], frame[3], rows)
        along_x = _spread(one.shape[1], box[0], box[2], frame[0], frame[2], columns)
        result[index] = along_y @ one @ along_x.T
    return result


def ensemble_map(
    maps: Sequence[ArrayLike],
    weights: ArrayLike,
    boxes: Sequence[ArrayLike],
    frames: ArrayLike | None = None,
    size: int | tuple[int, int] = 224,
) -> Array:
    """Explain an ensemble by its members' maps: their sum, each times the member's weight.

    The ensemble's prediction is the same sum of its members' predictions, so with evidence maps in
    rating units the result's sum is what the members' channels, one by one, add to the ensemble's
    prediction.

    Parameters
    ----------
    maps : sequence of M arrays
        Each (N, h, w) in rating units, of its own resolution.
    weights : array
        (M,), those of the `Ensemble`.
    boxes : sequence of M arrays
        Each (N, 4), what the member saw of each photograph.
    frames : array, optional
        (N, 4), where the result lies; default `union_of_boxes`.
    size : int or (int, int)
        Rows and columns of the result.

    Returns
    -------
    ndarray
        Shape (N, rows, columns), rating units per grid cell; NaN where a member's map has NaN.
    """
    factors = np.asarray(weights, dtype=np.float64)
    if factors.shape != (len(maps),) or len(boxes) != len(maps) or not len(maps):
        raise RequestError(
            f"expected a weight and boxes for every member's maps, got {len(maps)} members, "
            f"weights {factors.shape} and {len(boxes)} sets of boxes"
        )
    where = union_of_boxes(boxes) if frames is None else as_boxes(frames)
    parts = [onto_frame(one, box, where, size) for one, box in zip(maps, boxes, strict=True)]
    return np.asarray(np.tensordot(factors, np.stack(parts), axes=1))


def linear_weights(position: NDArray[np.floating[Any]], n: int) -> Array:
    """Weights (M, n) of n cells in the linear interpolation at positions (M,), ends repeated.

    Position k is the centre of cell k.
    """
    inside = np.clip(position, 0, n - 1)
    left = np.minimum(inside.astype(int), max(0, n - 2))
    matrix = np.zeros((len(inside), n))
    rows = np.arange(len(inside))
    matrix[rows, left] += 1 - (inside - left)
    matrix[rows, np.minimum(left + 1, n - 1)] += inside - left
    return matrix


def as_boxes(boxes: ArrayLike) -> Array:
    """Boxes (N, 4) of left, top, right, bottom in float64; refused where one is empty."""
    each = np.asarray(boxes, dtype=np.float64)
    if each.ndim != 2 or each.shape[1] != 4 or not (each[:, 2:] > each[:, :2]).all():
        raise RequestError(
            "expected boxes (N, 4) of left, top, right and bottom with right > left and bottom > "
            f"top, got shape {each.shape}"
        )
    return each


@lru_cache(maxsize=256)
def _spread(
    n_map: int, start: float, end: float, frame_start: float, frame_end: float, n_out: int
) -> Array:
    """Where each cell of a map goes along one axis: (n_out, n_map), columns sum to 1 or less."""
    if n_out < 1:
        raise RequestError(f"expected a grid of at least one cell, got {n_out}")
    step, cell = (frame_end - frame_start) / n_out, (end - start) / n_map
    if step > cell * (1 + _ROUNDING):
        raise RequestError(
            f"expected a grid at least as fine as the map, got cells of {step:.1f} px of the "
            f"photograph for a map's {cell:.1f} px; give a larger size"
        )
    # Grid lines go on beyond the frame, so that what falls outside it is lost and not moved.
    first = math.floor((start - frame_start) / step) - 1
    last = math.ceil((end - frame_start) / step) + 1
    centre = frame_start + (np.arange(first, last) + 0.5) * step
    inside = (centre >= start) & (centre < end)
    matrix = linear_weights((centre - start) / cell - 0.5, n_map) * inside[:, None]
    matrix /= matrix.sum(axis=0)
    result = np.zeros((n_out, n_map))
    low, high = max(first, 0), min(last, n_out)
    if low < high:
        result[low:high] = matrix[low - first : high - first]
    return result
