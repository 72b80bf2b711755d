"""`maps.zarr`: a group per backbone, written as the maps are made, opened by xarray.

A backbone's group holds AIS and evidence maps; maps by other explainers have grids of their own
and so a group each inside it, named after the explainer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from aisthesis.config import slug
from aisthesis.engine.chunk_store import ArraySpec, as_variable, create_array
from aisthesis.engine.files import plain_errors, remove_tree
from aisthesis.engine.map_axes import map_axes
from aisthesis.engine.store_index import consolidate, group_attributes, make_plain_root
from aisthesis.errors import AisthesisError, RequestError

__all__ = ["DIMENSIONS", "IMAGES_A_CHUNK", "LONG_NAMES", "MapsWriter", "group_key", "open_maps"]

IMAGES_A_CHUNK = 32

_PER_CHANNEL = ("seed", "image", "channel")
_PER_POSITION = ("seed", "image", "y", "x")
DIMENSIONS = {
    "ais": _PER_POSITION,
    "evidence": _PER_POSITION,
    "ais_place": _PER_POSITION,
    "evidence_place": _PER_POSITION,
    "importance": _PER_CHANNEL,
    "delta_prediction": _PER_CHANNEL,
    "activation": ("image", "y", "x"),
}
_BY_EXPLAINER = ("image", "y", "x")  # averaged over seeds, under the explainer's name
LONG_NAMES = {
    "ais": "heatmap weighted by the Alignment-Importance Score (rating units x activation)",
    "evidence": "heatmap weighted by the evidence score (rating units x activation)",
    "ais_place": "Alignment-Importance Score of each place, all channels removed (rating units)",
    "evidence_place": "evidence of each place, all channels removed (rating units)",
    "importance": "Alignment-Importance Score of each channel (rating units)",
    "delta_prediction": "prediction without the channel minus prediction (rating units)",
    "activation": "mean of the layer's activations over channels",
}
_RATING_ARRAYS = {name: (axes, LONG_NAMES[name]) for name, axes in DIMENSIONS.items()}


class MapsWriter:
    """Writes one backbone's group; until it is finished it stands under a temporary name.

    Parameters
    ----------
    root : Path
        `maps.zarr` of the study.
    label : str
        The backbone's label.
    coordinates : mapping
        `image`, `seed` where arrays have that axis, and further arrays along the image axis (the
        crop box).
    attributes : mapping
        Of the group: what the maps depend on.
    arrays : mapping
        What may be written: the axes and the description of each array by its name.
    input_px : (int, int), optional
        Height and width of the network's input, in which `x` and `y` are where crops differ.
    """

    def __init__(
        self,
        root: Path,
        label: str,
        coordinates: Mapping[str, Sequence[Any] | NDArray[Any]],
        attributes: Mapping[str, Any],
        arrays: Mapping[str, tuple[tuple[str, ...], str]] | None = None,
        input_px: tuple[int, int] | None = None,
    ) -> None:
        self._input_px = input_px
        self._arrays = _RATING_ARRAYS if arrays is None else arrays
        self._final = root / slug(label)
        self._partial = root / f".{slug(label)}.partial"
        self._sizes = {
            name: len(coordinates[name]) for name in ("seed", "image") if name in coordinates
        }
        self._attributes = {"backbone": label, **attributes, "complete": 1}
        self._coordinates = coordinates
        self._group: zarr.Group | None = None
        self._root = root

    def __enter__(self) -> MapsWriter:
        with plain_errors(self._final):
            make_plain_root(self._root)
            remove_tree(self._partial, inside=self._root.parent)
            variables = {name: as_variable(name, v) for name, v in self._coordinates.items()}
            dataset = xr.Dataset(coords=variables, attrs=self._attributes)
            dataset.to_zarr(self._partial, mode="w", consolidated=False, zarr_format=3)
            self._group = zarr.open_group(self._partial, mode="a")
        return self

    def write(self, start: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the images from number `start` on; an array's name implies its axes."""
        if self._group is None:
            raise AisthesisError("the maps' group is not open; use the writer in a `with`")
        with plain_errors(self._final):
            for name, array in arrays.items():
                axes = self._describe(name)[0]
                if name not in self._group:
                    self._create(name, array)
                place = [slice(None)] * array.ndim
                axis = axes.index("image")
                place[axis] = slice(start, start + array.shape[axis])
                self._group[name][tuple(place)] = array.astype(np.float32)

    def _describe(self, name: str) -> tuple[tuple[str, ...], str]:
        """Axes and description of an array; one that is not listed is an explainer's maps."""
        return self._arrays.get(name, (_BY_EXPLAINER, name))

    def _create(self, name: str, array: NDArray[Any]) -> None:
        axes, long_name = self._describe(name)
        sizes = [
            self._sizes.get(axis, length) for axis, length in zip(axes, array.shape, strict=True)
        ]
        spec = ArraySpec(tuple(zip(axes, sizes, strict=True)), long_name)
        group: Any = self._group
        create_array(group, name, spec, IMAGES_A_CHUNK)
        if axes[-2:] == ("y", "x") and "x" not in group:
            rows, columns = array.shape[-2:]
            centres = map_axes(self._coordinates, rows, columns, self._input_px)
            for axis, variable in centres.items():
                group.create_array(
                    axis, data=variable.values, dimension_names=(axis,), attributes=variable.attrs
                )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._group = None
        if kind is not None:
            with suppress(AisthesisError):  # what went wrong first is what is told
                remove_tree(self._partial, inside=self._root.parent)
            return
        with plain_errors(self._final):
            consolidate(self._partial)
            remove_tree(self._final, inside=self._root.parent)
            self._partial.rename(self._final)


def group_key(root: Path, label: str) -> str | None:
    """The key that a finished group was written under; None where there is no finished group."""
    attributes = group_attributes(root / slug(label)) or {}
    return str(attributes.get("key")) if attributes.get("complete") else None


def open_maps(root: Path, label: str) -> xr.Dataset:
    """Open a backbone's maps lazily.

    Raises
    ------
    RequestError
        If the study holds no maps of that backbone.
    """
    if group_key(root, label) is None:
        raise RequestError(f"{root} holds no maps of {label}; run `aisthesis explain` first")
    return xr.open_zarr(root / slug(label), consolidated=False, chunks=None)
