from __future__ import annotations

import numpy as np
import pytest

from aisthesis.errors import RequestError
from aisthesis.names.labels import slug
from aisthesis.store.chunk_store import ArraySpec, ChunkStore
from aisthesis.store.maps_store import DIMENSIONS, group_key, open_maps

LABEL = "torchvision:squeezenet1_0"


def write(root, n=40, chunks=None):
    rng = np.random.default_rng(0)
    arrays = {
        "ais": rng.normal(size=(2, n, 3, 4)).astype(np.float32),
        "importance": rng.normal(size=(2, n, 5)).astype(np.float32),
        "activation": rng.normal(size=(n, 3, 4)).astype(np.float32),
    }
    names = [f"ü{i}.jpg" for i in range(n)]
    coordinates = {"seed": [0, 1], "image": names, "crop_left": np.arange(n) / 2}
    store = ChunkStore(root.parent, f"maps.zarr/{slug(LABEL)}", {"key": "k1"}, 7)
    specs = {
        name: ArraySpec(tuple(zip(DIMENSIONS[name], values.shape, strict=True)), name)
        for name, values in arrays.items()
    }
    store.prepare(specs, coordinates, {"backbone": LABEL, "layer": "features.12"})
    for number in store.numbers(n)[:chunks]:
        part = slice(number * 7, number * 7 + 7)
        some = {"ais": arrays["ais"][:, part], "importance": arrays["importance"][:, part]}
        store.write(number, some | {"activation": arrays["activation"][part]})
    if chunks is None:
        store.finish()
    return store.key, *arrays.values()


def test_xarray_reads_back_what_was_written_in_parts(tmp_path) -> None:
    root = tmp_path / "maps.zarr"
    key, ais, importance, activation = write(root)
    with open_maps(root, LABEL) as dataset:
        np.testing.assert_array_equal(dataset["ais"].values, ais)
        np.testing.assert_array_equal(dataset["importance"].values, importance)
        np.testing.assert_array_equal(dataset["activation"].values, activation)
        assert dataset["ais"].dims == ("seed", "image", "y", "x")
        assert dataset["activation"].dims == ("image", "y", "x")
        assert str(dataset["image"].values[3]) == "ü3.jpg"
        assert float(dataset["crop_left"].sel(image="ü4.jpg")) == 2.0
        assert dataset.attrs["backbone"] == LABEL
    assert group_key(root, LABEL) == key


def test_an_unfinished_group_does_not_count_and_can_be_written_again(tmp_path) -> None:
    root = tmp_path / "maps.zarr"
    write(root, chunks=2)
    assert group_key(root, LABEL) is None
    with pytest.raises(RequestError, match="holds no maps of torchvision:squeezenet1_0"):
        open_maps(root, LABEL)
    key = write(root)[0]
    assert group_key(root, LABEL) == key
