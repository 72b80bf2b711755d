"""The stored maps of a study of several properties, by backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from aisthesis.studies.ratings.showing.stored_maps import Maps

__all__ = ["PropertyMaps"]


class PropertyMaps(Maps):
    """Maps of a study of several properties: dims begin with `property`."""

    def __init__(self, each: Mapping[str, Maps]) -> None:
        self._each = dict(each)
        first = next(iter(self._each.values()))
        super().__init__(first._folder, first._config, first._labels)

    def __getitem__(self, label: str) -> xr.DataArray:
        """Give the AIS maps of one backbone, dims (property, image, y, x)."""
        return self._joined([maps[label] for maps in self._each.values()])

    def by(self, method: str, label: str) -> xr.DataArray:
        """Give one backbone's maps by a method, dims (property, image, y, x)."""
        return self._joined([maps.by(method, label) for maps in self._each.values()])

    def dataset(self, label: str) -> xr.Dataset:
        """Open everything stored of one backbone, every array with the dimension `property`."""
        return self._joined([maps.dataset(label) for maps in self._each.values()])

    def _joined(self, parts: Sequence[Any]) -> Any:
        names = pd.Index(list(self._each), name="property")
        return xr.concat(
            parts,
            dim=names,
            combine_attrs="drop_conflicts",
            join="exact",
            coords="minimal",
            compat="override",
        )
