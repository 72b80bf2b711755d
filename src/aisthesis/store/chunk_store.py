"""Arrays with an image axis, written a chunk of images at a time, by any number of processes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from aisthesis.store.files import plain_errors, remove_tree
from aisthesis.store.folder import digest_of
from aisthesis.store.ledger import Dependencies, Ledger, State
from aisthesis.store.store_index import group_attributes, make_plain_root

__all__ = [
    "ArraySpec",
    "ChunkStore",
    "as_coordinate",
    "chunks_of",
    "create_array",
    "images_a_chunk",
]


#: Chunks of a group of arrays.
MOST_CHUNKS = 20_000


@dataclass(frozen=True)
class ArraySpec:
    """One array: its axes with their lengths, one of which is `image`, and what it holds."""

    axes: tuple[tuple[str, int], ...]
    long_name: str
    dtype: str = "float32"


@dataclass(frozen=True)
class ChunkStore:
    """A zarr group that fills up chunk by chunk; xarray opens it at any time.

    What is not there yet reads as NaN. A chunk counts as done when the study's ledger says so and
    the digests of its files are still right; only then is it not computed again.

    Parameters
    ----------
    root : Path
        The study's folder.
    group : str
        The group's path in it, `maps.zarr/vgg16` say.
    dependencies : mapping
        All that the values depend on.
    chunk : int
        Images in a chunk.
    """

    root: Path
    group: str
    dependencies: Dependencies
    chunk: int

    @property
    def key(self) -> str:
        """Digest of all that the values depend on."""
        return digest_of(dict(self.dependencies))

    @property
    def path(self) -> Path:
        """The group's folder."""
        return self.root / self.group

    @property
    def ledger(self) -> Ledger:
        """The study's ledger."""
        return Ledger(self.root)

    def numbers(self, n_images: int) -> range:
        """Numbers of all chunks."""
        return range(-(-n_images // self.chunk))

    def missing(self, n_images: int) -> list[int]:
        """Numbers of the chunks that have to be computed."""
        if not self.ledger.state(self.group, self.dependencies).done:
            return list(self.numbers(n_images))
        return [n for n in self.numbers(n_images) if not self.state_of(n).done]

    def state_of(self, number: int) -> State:
        """Whether a chunk is done and intact."""
        return self.ledger.state(self._piece(number), self.dependencies)

    def prepare(
        self,
        arrays: Mapping[str, ArraySpec],
        coordinates: Mapping[str, Sequence[Any] | NDArray[Any] | xr.Variable],
        attributes: Mapping[str, Any],
    ) -> None:
        """Make the empty group; what is there and still valid stays, anything else goes.

        Coordinates lie along `image`, `seed` along itself, and variables along their own axes.
        """
        if self.ledger.state(self.group, self.dependencies).done:
            return
        self.ledger.forget(self.group)
        with plain_errors(self.path):
            self._make_parents()
            remove_tree(self.path, inside=self.root)
            variables = {name: as_variable(name, v) for name, v in coordinates.items()}
            held = {**attributes, "key": self.key, "complete": 0}
            xr.Dataset(coords=variables, attrs=held).to_zarr(
                self.path, mode="w", consolidated=False, zarr_format=3
            )
            group = zarr.open_group(self.path, mode="a")
            for name, spec in arrays.items():
                create_array(group, name, spec, self.chunk)
            self._enter([*arrays, *coordinates])

    def write(self, number: int, arrays: Mapping[str, NDArray[Any]], **notes: Any) -> None:
        """Write one chunk of every array, then enter it into the ledger."""
        with plain_errors(self.path):
            group = zarr.open_group(self.path, mode="r+", use_consolidated=False)
            files: list[Path] = []
            for name, values in arrays.items():
                array = group[name]
                axis = array.metadata.dimension_names.index("image")
                start = number * self.chunk
                place = [slice(None)] * values.ndim
                place[axis] = slice(start, start + values.shape[axis])
                array[tuple(place)] = values.astype(array.dtype)
                files += self._files_of(array, name, axis, number)
        self.ledger.enter(self._piece(number), self.dependencies, files, **notes)

    @property
    def complete(self) -> bool:
        """Whether the group says that it is whole."""
        return bool((group_attributes(self.path) or {}).get("complete"))

    def finish(self) -> None:
        """Say in the group itself that it is whole."""
        with plain_errors(self.path):
            group = zarr.open_group(self.path, mode="r+", use_consolidated=False)
            if not group.attrs.get("complete"):
                group.attrs.update({"complete": 1})
                self.ledger.enter(self.group, self.dependencies, self.ledger.files(self.group))

    def notes(self, n_images: int) -> list[dict[str, Any]]:
        """What was noted with every chunk."""
        return [self.ledger.notes(self._piece(number)) for number in self.numbers(n_images)]

    def read(self, name: str) -> NDArray[Any]:
        """Read a whole array."""
        return np.asarray(zarr.open_group(self.path, mode="r", use_consolidated=False)[name][...])

    def _piece(self, number: int) -> str:
        return f"{self.group}/{number:06d}"

    def _enter(self, names: Sequence[str]) -> None:
        """Enter the group's descriptions and coordinates: all that is in it while it is empty."""
        files = [self.path / "zarr.json"]
        for name in names:
            files += sorted(path for path in (self.path / name).rglob("*") if path.is_file())
        self.ledger.enter(self.group, self.dependencies, files)

    def _make_parents(self) -> None:
        """Make the groups above this one, so that the whole store opens as one tree."""
        steps = Path(self.group).parts
        make_plain_root(self.root / steps[0])
        for depth in range(2, len(steps)):
            above = self.root.joinpath(*steps[:depth])
            if not (above / "zarr.json").is_file():
                zarr.open_group(above, mode="a", zarr_format=3)

    def _files_of(self, array: Any, name: str, axis: int, number: int) -> list[Path]:
        """Files in which an array keeps a chunk of images."""
        counts = [-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True)]
        places = [range(count) for count in counts]
        places[axis] = range(number, number + 1)
        encode = array.metadata.chunk_key_encoding.encode_chunk_key
        return [self.path / name / encode(place) for place in itertools.product(*places)]


def images_a_chunk(size: int, n_images: int) -> int:
    """Images in a chunk: `size`, or so many times twice as many that there are not too many chunks.

    A chunk is a task of a scheduler, an entry of the ledger, and for each array a file in folders
    of its own.
    """
    while n_images > size * MOST_CHUNKS:
        size *= 2
    return size


def chunks_of(path: Path) -> int | None:
    """How many chunks of images a group has; None where there is no group, or no array in it."""
    try:
        group = zarr.open_group(path, mode="r", use_consolidated=False)
        for _, array in sorted(group.arrays()):
            names = getattr(array.metadata, "dimension_names", None) or ()
            if "image" in names and array.ndim > 1:
                axis = names.index("image")
                return -(-array.shape[axis] // array.chunks[axis])
    except (OSError, ValueError, KeyError):
        return None
    return None


def create_array(group: zarr.Group, name: str, spec: ArraySpec, images_a_chunk: int) -> None:
    """Make an empty array whose chunks hold so many images."""
    shape = tuple(length for _, length in spec.axes)
    chunks = tuple(
        max(1, min(length, images_a_chunk) if axis == "image" else length)
        for axis, length in spec.axes
    )
    group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=spec.dtype,
        fill_value=float("nan"),
        dimension_names=tuple(axis for axis, _ in spec.axes),
        attributes={"long_name": spec.long_name},
    )


def as_variable(name: str, values: Sequence[Any] | NDArray[Any] | xr.Variable) -> xr.Variable:
    """Give a coordinate as a variable: along its own axis if it is `seed`, else along `image`."""
    if isinstance(values, xr.Variable):
        return values
    return xr.Variable(name if name == "seed" else "image", as_coordinate(values))


def as_coordinate(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """Values of a coordinate as xarray stores them: texts of any length as objects."""
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind == "U" else array
