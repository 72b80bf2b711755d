"""Stored maps, read a few images at a time, against the whole array."""

from __future__ import annotations

import numpy as np
import pytest

from aisthesis.store.chunk_store import ArraySpec, ChunkStore
from aisthesis.store.maps_store import DIMENSIONS, open_maps
from aisthesis.studies.ratings.comparing.stored import StoredMaps


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    n, maps = 100, rng.normal(size=(3, 100, 4, 5))
    where = {"seed": [0, 1, 2], "image": [f"{i}.png" for i in range(n)]}
    store = ChunkStore(tmp_path, "maps.zarr/b", {"key": "k"}, 32)
    shapes = {"ais": maps.shape, "activation": maps.shape[1:]}
    specs = {
        name: ArraySpec(tuple(zip(DIMENSIONS[name], shape, strict=True)), name)
        for name, shape in shapes.items()
    }
    store.prepare(specs, where, {})
    for number in store.numbers(n):
        piece = slice(32 * number, 32 * number + 32)
        store.write(number, {"ais": maps[:, piece], "activation": maps[0, piece]})
    store.finish()
    with open_maps(tmp_path / "maps.zarr", "b") as opened:
        yield opened, maps.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(
    "images",
    [
        slice(0, 4),
        slice(30, 70),
        slice(96, 100),
        slice(5, 5),
        np.array([99, 0, 31, 32, 0]),
        np.arange(100),
    ],
    ids=str,
)
def test_what_is_read_is_what_is_stored(dataset, images) -> None:
    opened, maps = dataset
    averaged = StoredMaps(opened["ais"])
    assert averaged.shape == (100, 4, 5)
    np.testing.assert_array_equal(averaged[images], maps.mean(0)[images])
    np.testing.assert_array_equal(StoredMaps(opened["activation"])[images], maps[0][images])


def test_few_blocks_are_held_and_each_is_read_once_in_a_row(dataset, monkeypatch) -> None:
    opened, _ = dataset
    maps = StoredMaps(opened["ais"])
    read = []
    original = StoredMaps._read
    monkeypatch.setattr(
        StoredMaps, "_read", lambda self, number: read.append(number) or original(self, number)
    )
    for start in range(0, 100, 4):
        assert maps[start : start + 4].shape == (4, 4, 5)
        assert len(maps._blocks) <= 3
    assert read == [0, 1, 2, 3]
