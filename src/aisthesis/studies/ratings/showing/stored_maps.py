"""The stored maps of a study, by backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import xarray as xr

from aisthesis.config import StudyConfig
from aisthesis.errors import RequestError
from aisthesis.names.explainers import FORMER
from aisthesis.store.folder import StudyFolder
from aisthesis.store.maps_store import open_maps
from aisthesis.studies.ratings.comparing.methods import open_methods, stored_methods

__all__ = ["Maps"]


class Maps(Mapping[str, xr.DataArray]):
    """Maps of a study by backbone, averaged over seeds; `dataset` gives all that is stored."""

    def __init__(self, folder: StudyFolder, config: StudyConfig, labels: Sequence[str]) -> None:
        self._folder = folder
        self._config = config
        self._labels = list(labels)

    def __getitem__(self, label: str) -> xr.DataArray:
        """Give the AIS maps of one backbone, dims (image, y, x), averaged over seeds."""
        return self.dataset(label)["ais"].mean("seed")

    def by(self, method: str, label: str) -> xr.DataArray:
        """Give one backbone's maps by a method, dims (image, y, x), averaged over seeds.

        Raises
        ------
        RequestError
            If the study holds no such maps.
        """
        methods, method = (
            stored_methods(self._folder, self._config, label),
            FORMER.get(method, method),
        )
        if method not in methods:
            raise RequestError(
                f"expected maps by {', '.join(methods)} of {label}, got {method!r}; add it to "
                "`explainers` in the study file and run it again"
            )
        with open_methods(self._folder, label, [method]) as arrays:
            maps = arrays[method].load()
        return maps.mean("seed") if "seed" in maps.dims else maps

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def dataset(self, label: str) -> xr.Dataset:
        """Open everything stored of one backbone: both kinds of maps, scores, activation."""
        return open_maps(self._folder.maps, label)

    def __repr__(self) -> str:
        """Say of each network how many images and places its maps have."""
        said = []
        for label in self._labels:
            with self.dataset(label) as held:
                sizes = held["ais"].sizes
                said.append(
                    f"{label}: {sizes['image']} images of {sizes['y']} × {sizes['x']}, "
                    f"{sizes['seed']} seed{'s' if sizes['seed'] > 1 else ''}"
                )
        return f"Maps({'; '.join(said)})"
