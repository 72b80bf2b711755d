"""Maps against masks and against their network, as plain functions of labelled maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import aisthesis as ais
from aisthesis.miniature import render_study

QUICK = {"n_steps": 3, "n_squares": 2, "cell_px": 16, "baselines": ["mean"], "n_boot": 9}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("m") / "p", 8, seed=2, size_px=64)


@pytest.fixture(scope="module")
def head(own, planted):
    return ais.fit(own, planted.images, planted.ratings, options=ais_options())


def ais_options():
    from aisthesis.heads import FitOptions

    return FitOptions(epochs=1)


@pytest.fixture(scope="module")
def maps(own, head, planted) -> xr.DataArray:
    return ais.explain(own, head, planted.images, method="evidence")


def test_mask_images_are_read_by_the_names_of_the_maps(own, maps, planted) -> None:
    table = ais.localise(maps, planted.root / "masks", backbone=own, n_boot=9)
    assert set(table["map"]) == {"evidence", "centre", "uniform"}
    assert set(table["backbone"]) == {own.name}
    turned = ais.localise(maps[::-1], planted.root / "masks", backbone=own, n_boot=9)
    pd.testing.assert_series_equal(turned["n"], table["n"])
    np.testing.assert_allclose(turned["mean"], table["mean"], atol=1e-12)
    with pytest.raises(ais.RequestError, match="an `image` coordinate, whose names are needed"):
        ais.localise(maps.values, planted.root / "masks", backbone=own)


def test_images_are_read_by_the_names_of_the_maps(own, head, maps, planted) -> None:
    some = maps[[4, 0, 3]]
    table = ais.faithful(own, head, planted.images, some, **QUICK)
    assert set(table["method"]) == {"evidence", "random", "centre"}
    assert (table["n"] + table["n_undefined"] == 3).all()
    both = {"plain": some.values, "evidence": some}
    beside = ais.faithful(own, head, planted.images, both, **QUICK)
    measured = beside[beside["control"] == "centre"].set_index(["method", "measure"])["mean"]
    np.testing.assert_array_equal(measured["plain"], measured["evidence"])


def test_maps_of_other_images_are_refused(own, head, maps, planted) -> None:
    foreign = maps.assign_coords(image=["gone.png", *maps["image"].values[1:]])
    with pytest.raises(ais.RequestError, match=r"1 are not there: gone\.png"):
        ais.faithful(own, head, planted.images, foreign, **QUICK)
    with pytest.raises(ais.RequestError, match=r"of each of the 8 images .* got 2 maps without"):
        ais.faithful(own, head, planted.images, maps.values[:2], **QUICK)
