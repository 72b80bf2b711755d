"""Where people looked on all images together, in few bytes."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from aisthesis.human_maps.frame import Frame
from aisthesis.human_maps.seen import Seen

__all__ = ["Places"]

Map = NDArray[np.float64]
_NUMBERS = 11  # that say where the cells of a frame are


class Places:
    """Horizontal and vertical places on the photographs, in their sides, image after image.

    Of masks, whose places are the centres of cells, the cells' numbers are held: 1 to 4 bytes each;
    of fixations the places themselves, 16 bytes each.
    """

    def __init__(self) -> None:
        self._held: list[NDArray[np.generic]] = []
        self._frames = array("d")
        self._ends = [0]

    def add(self, seen: Seen) -> None:
        """Add where people looked on the next image."""
        numbers = _numbers(seen.frame)
        self._frames.extend(numbers)
        points = seen.points
        held: NDArray[np.generic] = seen.places
        # To the last bit, for a place on an edge could fall into another cell elsewhere.
        if points is not None and np.array_equal(_centres(points, np.array(numbers)), held):
            held = points.astype(np.min_scalar_type(points.max(initial=0)))
        self._held.append(held)
        self._ends.append(self._ends[-1] + len(held))

    def close(self) -> None:
        """Put all together, once every image has been added."""
        self._ends_of = np.array(self._ends)
        self._frame_of = np.array(self._frames).reshape(-1, _NUMBERS)
        if any(one.ndim == 2 and len(one) for one in self._held):
            listed = [
                one if one.ndim == 2 else _centres(one, self._frame_of[k])
                for k, one in enumerate(self._held)
            ]
            self._all: NDArray[np.generic] = np.concatenate(listed)
        else:
            cells = [one for one in self._held if one.ndim == 1]
            self._all = np.concatenate([np.empty(0, np.uint8), *cells])
        del self._held, self._frames, self._ends

    def __len__(self) -> int:
        return len(self._all)

    def span(self, image: int) -> tuple[int, int]:
        """Numbers at which the places on one image start and end."""
        start, end = self._ends_of[image : image + 2]
        return int(start), int(end)

    def of(self, numbers: NDArray[np.intp]) -> Map:
        """Some places (M, 2)."""
        found = self._all[numbers]
        if found.ndim == 2:
            return found.astype(np.float64, copy=False)
        image = np.searchsorted(self._ends_of, numbers, side="right") - 1
        return _centres(found, self._frame_of[image])


def _numbers(frame: Frame) -> tuple[float, ...]:
    rows, columns = frame.window
    return (*frame.box, *frame.grid_px, *frame.size_px, rows.start, columns.start, frame.shape[1])


def _centres(cells: NDArray[np.generic], frames: Map) -> Map:
    """Centres (M, 2) of cells (M,), each of its frame (M, 11) or all of one (11,)."""
    left, top, right, bottom, n_rows, n_columns, wide, high, row, column, across = frames.T
    down, along = np.divmod(cells.astype(np.intp), across.astype(np.intp))
    # As `Frame.centres`, in the same steps, for rounding is part of what a place is.
    x = left + (column + along + 0.5) * (right - left) / n_columns
    y = top + (row + down + 0.5) * (bottom - top) / n_rows
    return np.asarray(np.stack([x / wide, y / high], axis=1))
