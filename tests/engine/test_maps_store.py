from __future__ import annotations

import numpy as np
import pytest

from aisthesis.engine.maps_store import MapsWriter, group_key, open_maps
from aisthesis.errors import RequestError

LABEL = "torchvision:squeezenet1_0"


def write(root, n=40, fail_at=None):
    rng = np.random.default_rng(0)
    ais = rng.normal(size=(2, n, 3, 4)).astype(np.float32)
    importance = rng.normal(size=(2, n, 5)).astype(np.float32)
    activation = rng.normal(size=(n, 3, 4)).astype(np.float32)
    coordinates = {
        "seed": [0, 1],
        "image": [f"ü{i}.jpg" for i in range(n)],
        "crop_left": np.arange(n) / 2,
    }
    with MapsWriter(root, LABEL, coordinates, {"key": "k1", "layer": "features.12"}) as writer:
        for start in range(0, n, 7):
            if fail_at is not None and start >= fail_at:
                raise RuntimeError("stopped")
            part = slice(start, start + 7)
            arrays = {"ais": ais[:, part], "importance": importance[:, part]}
            writer.write(start, arrays | {"activation": activation[part]})
    return ais, importance, activation


def test_xarray_reads_back_what_was_written_in_parts(tmp_path) -> None:
    root = tmp_path / "maps.zarr"
    ais, importance, activation = write(root)
    with open_maps(root, LABEL) as dataset:
        np.testing.assert_array_equal(dataset["ais"].values, ais)
        np.testing.assert_array_equal(dataset["importance"].values, importance)
        np.testing.assert_array_equal(dataset["activation"].values, activation)
        assert dataset["ais"].dims == ("seed", "image", "y", "x")
        assert dataset["activation"].dims == ("image", "y", "x")
        assert str(dataset["image"].values[3]) == "ü3.jpg"
        assert float(dataset["crop_left"].sel(image="ü4.jpg")) == 2.0
        assert dataset.attrs["backbone"] == LABEL
    assert group_key(root, LABEL) == "k1"


def test_an_unfinished_group_does_not_count_and_can_be_written_again(tmp_path) -> None:
    root = tmp_path / "maps.zarr"
    with pytest.raises(RuntimeError, match="stopped"):
        write(root, fail_at=14)
    assert group_key(root, LABEL) is None
    with pytest.raises(RequestError, match="holds no maps of torchvision:squeezenet1_0"):
        open_maps(root, LABEL)
    write(root)
    assert group_key(root, LABEL) == "k1"
    assert not list(root.glob(".*"))
