"""Maps of a study's ensembles: sums in rating units, and the photograph covered directly."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from aisthesis.store.maps_store import open_maps

LABELS = ("miniature:vgg16", "miniature:barlow_twins")


@pytest.fixture(scope="module")
def ensemble_study(make_study, tmp_path_factory):
    out = tmp_path_factory.mktemp("ensemble") / "s"
    # Three images are covered; what else is measured of them is not read here.
    few = {"images": 3, "steps": 2, "squares": 0, "baselines": ["mean"], "cascade_images": 0}
    quick = {"metrics": ["cosine"], "bootstrap": 0, "inference_images": 2}
    quick["backbones"] = [{"name": label, "input_px": 112} for label in LABELS]
    return make_study(out, ensemble=True, faithfulness=few, **quick).run(until="agree")


def test_a_map_sums_to_what_the_members_channels_add(ensemble_study) -> None:
    folder = ensemble_study.folder
    table = pd.read_csv(folder.ensemble_maps)
    sums, names = [], None
    for label in LABELS:
        with open_maps(folder.maps, label) as stored:
            sums.append(-stored["delta_prediction"].mean("seed").sum("channel").values)
            names = [str(name) for name in stored["image"].values]
    weights = {
        "ensemble": np.full(2, 0.5),
        "ensemble_stacking": np.array(folder.provenance()["ensemble"]["stacking_weights"]),
    }
    for label, own in weights.items():
        rows = table[table["ensemble"] == label].set_index("image").loc[names]
        np.testing.assert_allclose(rows["evidence_sum"], own @ np.stack(sums), atol=1e-4)


def test_the_store_opens_and_some_photographs_were_covered(ensemble_study) -> None:
    table = pd.read_csv(ensemble_study.folder.ensemble_maps)
    with xr.open_zarr(ensemble_study.folder.ensemble, consolidated=False) as held:
        assert held["ensemble"].dims == ("image", "y", "x")
        assert held["masking"].shape == (3, 7, 7)
        assert np.isfinite(held["masking"].values).all()
        covered = set(held["masked"].values)
    cosine = table[table["ensemble"] == "ensemble"].set_index("image")["cosine_with_masking"]
    assert set(cosine.dropna().index) == covered
    assert cosine.dropna().between(-1, 1).all()


def test_predictions_are_those_of_the_ensemble(ensemble_study) -> None:
    table = pd.read_csv(ensemble_study.folder.ensemble_maps)
    predictions = ensemble_study.predictions
    single = predictions[(predictions["seed"] != "mean") & predictions["backbone"].isin(LABELS)]
    mean = single.groupby("image")["prediction"].mean()
    rows = table[table["ensemble"] == "ensemble"].set_index("image")["prediction"]
    np.testing.assert_allclose(rows, mean[rows.index], atol=1e-6)


def test_it_opens_without_a_warning_and_upright(ensemble_study) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(ensemble_study.folder.ensemble) as held:
            for axis in ("y", "masked_y"):
                assert (np.diff(held[axis].values) < 0).all()
                assert held[axis].attrs["units"] == "px"


def test_what_is_torn_is_told_and_made_again(ensemble_study) -> None:
    """Embeddings of all members, the record, and the store's description at once."""
    folder = ensemble_study.folder
    tables = {file: file.read_bytes() for file in folder.root.glob("*.csv")}
    for file in folder.cache.glob("embeddings-*/*"):
        file.write_bytes(b"")
    folder.provenance_file.write_text("null")
    (folder.ensemble / "zarr.json").write_text("{")
    states = ensemble_study.status().set_index("stage")["state"]
    assert states["ensemble maps"] == "damaged"
    assert set(states["fit"]) == {"damaged"}
    ensemble_study.run(until="agree")
    assert {file: file.read_bytes() for file in tables} == tables
    assert set(ensemble_study.status()["state"]) == {"done"}


def test_it_is_done_once(ensemble_study) -> None:
    status = ensemble_study.status().set_index("stage")
    assert status.loc["ensemble maps", "state"] == "done"
