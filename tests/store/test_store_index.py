"""A store that xarray opens at once, every group of it, and whose maps it draws upright."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from aisthesis.store.chunk_store import ArraySpec, ChunkStore
from aisthesis.store.map_axes import map_axes
from aisthesis.store.maps_store import group_key
from aisthesis.store.store_index import index_state, index_store

mpl.use("Agg")
LABEL, GROUP = "timm:net", "timm_net"
NAMES = ["a.png", "b.png"]


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def boxes(left=10.0, top=0.0, right=50.0, bottom=40.0, height=40.0):
    names = ("crop_left", "crop_top", "crop_right", "crop_bottom", "height_px")
    return {
        n: np.full(2, v) for n, v in zip(names, (left, top, right, bottom, height), strict=True)
    }


def fill(root, group, label, side):
    """Write a whole group, as a study does; its first map is brighter towards the top."""
    store = ChunkStore(root, f"maps.zarr/{group}", {"images": "i"}, 2)
    spec = ArraySpec((("image", 2), ("y", side), ("x", side)), "a map")
    coordinates = {"image": NAMES, **boxes(), **map_axes(boxes(), side, side)}
    store.prepare({"map": spec}, coordinates, {"backbone": label})
    rows = np.arange(side, 0, -1, dtype=float)[None, :, None]
    store.write(0, {"map": np.broadcast_to(rows, (2, side, side))}, seconds=2.0)
    store.finish()
    return store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two backbones, and another explainer's finer maps inside the first one's group."""
    root = tmp_path_factory.mktemp("made")
    stores = [fill(root, GROUP, LABEL, 4), fill(root, "vgg16", "vgg16", 3)]
    stores.append(fill(root, f"{GROUP}/lime", LABEL, 5))
    assert index_state(root, "maps.zarr").kind == "to do"
    assert index_store(root, "maps.zarr")
    return root, stores


@pytest.fixture
def indexed(made, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return tmp_path, [replace(store, root=tmp_path) for store in made[1]]


def test_it_opens_without_a_warning_and_groups_are_found_by_label(indexed) -> None:
    root, _ = indexed
    path = root / "maps.zarr"
    with xr.open_zarr(path) as held:
        groups = held.attrs["groups"]
    assert groups == {LABEL: GROUP, "vgg16": "vgg16"}
    for group in (groups[LABEL], "vgg16", f"{GROUP}/lime"):
        for opened in (
            xr.open_zarr(path, group=group),
            xr.open_zarr(path / group),
            xr.open_dataset(path, group=group, engine="zarr"),
        ):
            with opened:
                assert list(opened["image"].values) == NAMES
                assert opened["map"].sizes["y"] == {GROUP: 4, "vgg16": 3}.get(group, 5)
    assert set(xr.open_groups(path, engine="zarr")) == {
        "/", f"/{GROUP}", f"/{GROUP}/lime", "/vgg16",
    }  # fmt: skip


def test_a_store_of_backbones_alone_opens_as_a_tree(tmp_path) -> None:
    for group, side in (("one", 4), ("other", 3)):
        fill(tmp_path, group, group, side)
    index_store(tmp_path, "maps.zarr")
    with xr.open_datatree(tmp_path / "maps.zarr", engine="zarr") as tree:
        assert tree["other"]["map"].shape == (2, 3, 3)


def test_an_index_changes_nothing_that_was_done_and_is_made_once(indexed) -> None:
    root, stores = indexed
    assert all(store.missing(2) == [] and store.complete for store in stores)
    assert [store.notes(2) for store in stores] == [[{"seconds": 2.0}]] * 3
    assert index_state(root, "maps.zarr").done
    assert not index_store(root, "maps.zarr")


@pytest.mark.parametrize("left", [None, b"", b"{", b'{"node_type": "array"}'])
def test_a_lost_or_torn_root_is_damage_and_mended(indexed, left) -> None:
    root, stores = indexed
    file = root / "maps.zarr/zarr.json"
    whole = file.read_bytes()
    file.unlink() if left is None else file.write_bytes(left)
    state = index_state(root, "maps.zarr")
    assert state.kind == "damaged"
    assert "maps.zarr/zarr.json" in state.why
    assert index_store(root, "maps.zarr")
    assert file.read_bytes() == whole
    assert all(store.missing(2) == [] for store in stores)


@pytest.mark.parametrize("left", [None, b"{"])
def test_a_lost_or_torn_group_is_told_done_again_and_indexed(indexed, left) -> None:
    root, stores = indexed
    file = stores[0].path / "zarr.json"
    file.unlink() if left is None else file.write_bytes(left)
    assert not stores[0].complete
    assert group_key(root / "maps.zarr", LABEL) is None
    assert not index_state(root, "maps.zarr").done
    assert stores[0].missing(2) == [0]
    fill(root, GROUP, LABEL, 4)
    fill(root, f"{GROUP}/lime", LABEL, 5)
    assert index_store(root, "maps.zarr")
    assert index_state(root, "maps.zarr").done
    with xr.open_zarr(root / "maps.zarr", group=GROUP) as held:
        assert np.isfinite(held["map"]).all()


def test_while_groups_change_the_root_tells_nothing_old(indexed) -> None:
    root, stores = indexed
    other = ChunkStore(root, stores[1].group, {"images": "others"}, 2)
    other.prepare({"map": ArraySpec((("image", 2), ("y", 9), ("x", 9)), "")}, {"image": NAMES}, {})
    assert (
        xr.open_groups(root / "maps.zarr", engine="zarr", consolidated=False)["/vgg16"].sizes["y"]
        == 9
    )
    assert index_state(root, "maps.zarr").kind == "stale"
    assert b"consolidated" not in (root / "maps.zarr/zarr.json").read_bytes()


def test_a_map_is_drawn_the_right_way_up_in_pixels_of_the_photograph(indexed) -> None:
    from matplotlib import pyplot

    root, _ = indexed
    with xr.open_zarr(root / "maps.zarr", group=GROUP) as held:
        np.testing.assert_allclose(held["x"], [15, 25, 35, 45])
        np.testing.assert_allclose(held["y"], [35, 25, 15, 5])  # above the lower edge
        assert held["x"].attrs["units"] == "px"
        assert held["y"].attrs["frame"] == "photograph"
        mesh = held["map"][0].plot()
        low, high = mesh.axes.get_ylim()
        assert (low, high) == (0, 40)
        assert not mesh.axes.yaxis_inverted()
        # The brightest row, the first, is drawn highest.
        assert held["y"].values[np.argmax(held["map"][0, :, 0].values)] == held["y"].max()
        pyplot.close("all")


def test_where_crops_differ_pixels_are_those_of_the_networks_input() -> None:
    differing = boxes() | {"crop_left": np.array([10.0, 12.0])}
    axes = map_axes(differing, 2, 4, (64, 80))
    np.testing.assert_allclose(axes["x"], [10, 30, 50, 70])
    np.testing.assert_allclose(axes["y"], [48, 16])
    assert axes["y"].attrs["frame"] == "network's input"
    shares = map_axes(differing, 2, 4)
    np.testing.assert_allclose(shares["y"], [0.75, 0.25])
    assert "share" in shares["x"].attrs["units"]
