from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from PIL import Image

import aisthesis as ais
from aisthesis.report.pictures.looking import box_of, units_of

mpl.use("agg")


def a_map(values, name="evidence_place", **box):
    edges = {"crop_left": 20, "crop_top": 0, "crop_right": 60, "crop_bottom": 40} | box
    sizes = {"width_px": 80.0, "height_px": 40.0}
    return xr.DataArray(
        np.array(values, dtype=float), dims=("y", "x"), name=name,
        coords={"image": "r23.jpg"} | {k: float(v) for k, v in (edges | sizes).items()},
    )  # fmt: skip


GREY = np.full((40, 80, 3), 128, dtype=np.uint8)


def test_red_is_above_zero_blue_below_and_only_in_the_crop() -> None:
    picture = np.asarray(
        ais.overlay(a_map([[2.0, 2.0], [-2.0, -2.0]]), GREY, side_px=80), dtype=int
    )
    assert picture.shape == (40, 80, 3)
    red, _, blue = picture[5, 40]
    assert red > blue + 60
    red, _, blue = picture[35, 40]
    assert blue > red + 60
    for x in (5, 75):  # beside the crop: grey
        assert np.ptp(picture[20, x]) == 0
    zero = np.asarray(ais.overlay(a_map([[0.0, 0.0], [0.0, 0.0]]), GREY, side_px=80), dtype=int)
    assert np.ptp(zero, axis=-1).max() == 0


def test_a_smaller_copy_of_the_photograph_has_the_box_at_its_own_size() -> None:
    box = box_of(a_map([[1.0]]), Image.new("RGB", (40, 20)))
    assert box is not None
    assert (box.left, box.right, box.bottom, box.width_px) == (10.0, 30.0, 20.0, 40.0)


def test_axes_have_a_bar_around_zero_with_the_unit() -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2)
    assert ais.show(a_map([[1.0, -0.31]]), GREY, axes[0]) is axes[0]
    assert axes[0].get_title() == "r23.jpg"
    assert axes[0].get_xlim() == (0, 80)
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "rating units"
    assert bar.get_ylim() == (-1.0, 1.0)
    stack = a_map([[0.5]]).expand_dims("image")
    assert ais.show(stack, ax=axes[1], colour_bar=False, limit=2).get_title() == "r23.jpg"
    assert len(figure.axes) == 3
    pyplot.close(figure)
    assert units_of(a_map([[1.0]], name="ais")) == "rating units × activation"


def test_what_is_no_map_is_said(monkeypatch) -> None:
    for wrong, words in (
        (np.zeros((2, 3, 3)), r"got shape \(2, 3, 3\); choose one with \.sel\(image"),
        (np.array([[np.nan]]), "finite map"),
        ({"vgg16": 1}, "several by name"),
    ):
        with pytest.raises(ais.RequestError, match=words):
            ais.overlay(wrong)
    with pytest.raises(ais.RequestError, match=r"absent\.jpg does not exist"):
        ais.overlay(np.ones((2, 2)), "absent.jpg")
    with pytest.raises(ais.RequestError, match="got float64"):
        ais.overlay(np.ones((2, 2)), np.ones((4, 4, 3)))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ais.AisthesisError, match=r"needs matplotlib; install it .* ais\.overlay"):
        ais.show(np.ones((2, 2)))
