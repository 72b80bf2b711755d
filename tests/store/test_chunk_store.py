"""Arrays that fill up chunk by chunk, opened at any time."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from aisthesis.store.chunk_store import ArraySpec, ChunkStore, images_a_chunk

NAMES = [f"{i}.png" for i in range(10)]
ARRAYS = {"map": ArraySpec((("image", 10), ("y", 3), ("x", 2)), "a map")}


def chunk(number: int) -> np.ndarray:
    n = 4 if number < 2 else 2
    return np.full((n, 3, 2), number + 0.5)


@pytest.fixture
def store(tmp_path):
    made = ChunkStore(tmp_path, "maps.zarr/net", {"images": "i1"}, 4)
    made.prepare(ARRAYS, {"image": NAMES}, {"layer": "deep"})
    return made


def opened(store):
    return xr.open_zarr(store.path, consolidated=False)


def test_it_opens_at_any_time_and_what_is_missing_is_nan(store) -> None:
    assert store.missing(10) == [0, 1, 2]
    store.write(2, {"map": chunk(2)})
    assert store.missing(10) == [0, 1]
    with opened(store) as held:
        assert list(held["image"].values) == NAMES
        assert np.isnan(held["map"].values[:8]).all()
        np.testing.assert_array_equal(held["map"].values[8:], chunk(2))
        assert held.attrs["complete"] == 0


def test_a_whole_group_says_so_and_is_left_alone(store) -> None:
    for number in range(3):
        store.write(number, {"map": chunk(number)}, seconds=1.0)
    assert not store.complete
    store.finish()
    assert store.complete
    assert store.missing(10) == []
    store.prepare(ARRAYS, {"image": NAMES}, {})
    np.testing.assert_array_equal(store.read("map")[:4], chunk(0))
    assert store.notes(10) == [{"seconds": 1.0}] * 3


def test_only_the_damaged_chunk_is_missing(store) -> None:
    for number in range(3):
        store.write(number, {"map": chunk(number)})
    file = store.path / "map" / "c" / "1" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-3])
    assert store.missing(10) == [1]


def test_a_chunk_of_nan_alone_has_no_file_and_is_done(store) -> None:
    store.write(0, {"map": np.full((4, 3, 2), np.nan)})
    assert store.missing(10) == [1, 2]


def test_other_parts_begin_anew(store) -> None:
    for number in range(3):
        store.write(number, {"map": chunk(number)})
    other = ChunkStore(store.root, store.group, {"images": "i2"}, 4)
    assert other.missing(10) == [0, 1, 2]
    other.prepare(ARRAYS, {"image": NAMES}, {})
    assert np.isnan(other.read("map")).all()
    assert store.missing(10) == [0, 1, 2]
    assert other.key != store.key


def test_a_damaged_description_begins_anew(store) -> None:
    for number in range(3):
        store.write(number, {"map": chunk(number)})
    (store.path / "map" / "zarr.json").write_text("{}")
    assert store.missing(10) == [0, 1, 2]
    store.prepare(ARRAYS, {"image": NAMES}, {})
    store.write(1, {"map": chunk(1)})
    np.testing.assert_array_equal(store.read("map")[4:8], chunk(1))


def test_a_group_inside_a_group_goes_with_it(store) -> None:
    inner = ChunkStore(store.root, "maps.zarr/net/lime", {"images": "i1"}, 4)
    inner.prepare({"lime": ARRAYS["map"]}, {"image": NAMES}, {})
    inner.write(0, {"lime": chunk(0)})
    store.write(0, {"map": chunk(0)})
    assert store.missing(10) == [1, 2]  # the inner group is no damage to the outer one
    ChunkStore(store.root, store.group, {"images": "i2"}, 4).prepare(ARRAYS, {"image": NAMES}, {})
    assert inner.missing(10) == [0, 1, 2]


def test_chunks_grow_with_the_images_where_there_would_be_too_many() -> None:
    """Ten million images are some twenty thousand tasks and files an array, not 300,000."""
    assert images_a_chunk(32, 5000) == images_a_chunk(32, 640_000) == 32
    assert images_a_chunk(32, 640_001) == 64
    assert images_a_chunk(32, 10**7) == 512
