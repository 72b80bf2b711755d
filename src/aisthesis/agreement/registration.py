"""Maps of networks that saw different parts of a photograph, brought to the part both saw.

What a network sees of a photograph is a crop, and a map covers its own crop. Two maps are compared
where both have values, each pixel with the one that lies on the same place of the photograph.
Networks with equal crops are compared as they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisthesis.agreement.axis import Axis, Part, interpolation
from aisthesis.errors import RequestError
from aisthesis.maps.common_frame import as_boxes

__all__ = ["Framed", "Registered", "common_part", "compared_share", "onto_part", "register"]

Key = TypeVar("Key", bound=Hashable)
Array = NDArray[np.float64]

#: Cells along each side of the grid over a common part: the pixels on which maps are compared.
CELLS = 224
#: Fraction of a crop by which ends may differ and still be the same: rounding, not a pixel.
_SAME = 1e-9


def common_part(boxes: Sequence[ArrayLike]) -> Array:
    """Part of each photograph that all networks saw.

    Parameters
    ----------
    boxes
        Each (N, 4): left, top, right, bottom of what a network saw, in the photograph's pixels.

    Returns
    -------
    ndarray
        (N, 4); NaN where there is no such part.
    """
    stacked = np.stack([as_boxes(one) for one in boxes])
    low, high = stacked[:, :, :2].max(axis=0), stacked[:, :, 2:].min(axis=0)
    part = np.concatenate([low, high], axis=1)
    part[~(high > low).all(axis=1)] = np.nan
    return part


def compared_share(boxes: Sequence[ArrayLike], width_px: ArrayLike, height_px: ArrayLike) -> Array:
    """Share of each photograph's area that all networks saw: (N,), 0 to 1."""
    left, top, right, bottom = common_part(boxes).T
    area = (right - left) * (bottom - top) / (np.asarray(width_px) * np.asarray(height_px))
    return np.nan_to_num(area, nan=0.0)


def onto_part(maps: Any, boxes: ArrayLike, part: ArrayLike, cells: int = CELLS) -> Any:
    """Give a network's maps over a part of the photograph; as they are where it saw just that.

    Parameters
    ----------
    maps
        (N, h, w), or (seeds, N, h, w), arrays that can be sliced, on a disk too.
    boxes, part
        (N, 4): what the network saw, and the part of it that is wanted.
    cells
        Rows and columns of the grid over the part.
    """
    box, wanted = as_boxes(boxes), np.asarray(part, dtype=np.float64)
    size = np.tile(box[:, 2:] - box[:, :2], 2)
    window = (wanted - np.tile(box[:, :2], 2)) / size  # left, top, right, bottom in its own crop
    if np.abs(window - [0, 0, 1, 1]).max(initial=0.0) <= _SAME:  # NaN is not
        return maps
    return Framed(maps, window, cells)


class Framed:
    """Maps over a part of what the network saw, interpolated when they are asked for.

    Between the centres of a map's cells values are interpolated bilinearly, beyond the outermost
    they stay, as for looking at the map. Where the part is the same of every map, as for
    photographs of one size, what is given holds the cells themselves, which are far fewer.

    Parameters
    ----------
    maps
        (N, h, w) or (seeds, N, h, w), to be sliced along its axes but the last two.
    window
        (N, 4): left, top, right, bottom of the part, as fractions of the map; NaN where there is
        none, which makes the map one of NaN.
    cells
        Rows and columns of the result.

    Attributes
    ----------
    axes
        The part of every map's rows and columns, where it is the same of all.
    """

    def __init__(self, maps: Any, window: Array, cells: int) -> None:
        self._maps = maps
        self._window = window
        self._cells = cells
        self._along: dict[tuple[int, float, float], Array] = {}
        self.axes = _common_axes(window, maps.shape[-2:])
        self.shape = (*(int(length) for length in maps.shape[:-2]), cells, cells)
        if self.shape[-3] != len(window):
            raise RequestError(
                f"expected what a network saw of each of {self.shape[-3]} images, got "
                f"{len(window)} boxes; give one an image"
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        """Give maps of a slice or of positions; of single-seed maps (seeds, images), or a seed."""
        if len(self.shape) == 4 and not isinstance(index, tuple):
            if isinstance(index, int | np.integer):
                return Framed(self._maps[index], self._window, self._cells)
            index = (index, slice(None))
        images = index[1] if isinstance(index, tuple) else index
        taken = np.asarray(self._maps[index], dtype=np.float64)
        if self.axes is not None:
            return Part(taken, self.axes, self._cells)
        return self._framed(taken, self._window[images])

    def some(self, images: NDArray[np.intp]) -> Framed:
        """Maps of these images alone, still interpolated when they are asked for."""
        maps = self._maps[images] if len(self.shape) == 3 else self._maps[:, images]
        return Framed(np.asarray(maps), self._window[images], self._cells)

    def _framed(self, maps: Array, window: Array) -> Array:
        """(..., M, h, w) maps over the windows (M, 4)."""
        result = np.empty((*maps.shape[:-2], self._cells, self._cells))
        same, number = np.unique(window.round(12), axis=0, return_inverse=True)
        for which, (left, top, right, bottom) in enumerate(same):
            here = number.ravel() == which
            along_y = self._matrix(maps.shape[-2], top, bottom)
            along_x = self._matrix(maps.shape[-1], left, right)
            result[..., here, :, :] = along_y @ maps[..., here, :, :] @ along_x.T
        return result

    def _matrix(self, n: int, start: float, end: float) -> Array:
        key = (n, start, end)
        if key not in self._along:
            self._along[key] = interpolation(n, start, end, self._cells)
        return self._along[key]


def _common_axes(window: Array, size: Sequence[int]) -> tuple[Axis, Axis] | None:
    """The stretch of each axis that is wanted of every map; None where it is not the same."""
    rounded = window.round(12)
    if not len(window) or not (np.isfinite(rounded).all() and (rounded == rounded[0]).all()):
        return None
    left, top, right, bottom = rounded[0].tolist()
    return Axis(int(size[0]), top, bottom), Axis(int(size[1]), left, right)


@dataclass(frozen=True, eq=False)
class Registered(Generic[Key]):
    """Maps by the network and the part that they cover, and the pairs to compare.

    Attributes
    ----------
    maps
        By key; maps that cover the same part for several pairs are there once.
    pairs
        In the order that was asked for, of keys of `maps`.
    """

    maps: dict[Any, Any]
    pairs: list[tuple[Any, Any]]


def register(
    maps: Mapping[Key, Any],
    pairs: Sequence[tuple[Key, Key]],
    boxes: Mapping[Key, ArrayLike] | None,
    cells: int = CELLS,
) -> Registered[Key]:
    """Bring the maps of every pair to the part of each photograph that both networks saw.

    Parameters
    ----------
    maps
        (N, h, w) or (seeds, N, h, w) by any key.
    pairs
        Keys of the two of each comparison.
    boxes
        (N, 4) by the same keys; None where all saw the same.
    cells
        Rows and columns of the grid over a part that is not the whole crop.
    """
    if boxes is None:
        return Registered(dict(maps), list(pairs))
    lacking = sorted({str(key) for pair in pairs for key in pair if key not in boxes})
    if lacking:
        raise RequestError(
            f"expected what every network saw of each image, that of {', '.join(lacking)} is "
            "missing; give its boxes, or none at all where all saw the same"
        )
    found: dict[Any, Any] = {}
    wanted = []
    for pair in pairs:
        part = common_part([boxes[key] for key in pair])
        keys = []
        for key in pair:
            framed = onto_part(maps[key], boxes[key], part, cells)
            whole = framed is maps[key]
            name: Any = key if whole else (key, part.tobytes())
            found.setdefault(name, framed)
            keys.append(name)
        wanted.append((keys[0], keys[1]))
    return Registered(found, wanted)
