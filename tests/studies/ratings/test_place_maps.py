"""Maps by place in a study, against the network run again without each place."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import aisthesis as ais
from aisthesis.heads import RatingModel, load_head
from aisthesis.images import ImageFolder
from aisthesis.names.explainers import BASE
from aisthesis.store.maps_store import open_maps

VGG, BARLOW = "miniature:vgg16", "miniature:barlow_twins"


@pytest.mark.parametrize("label", [VGG, BARLOW])
def test_stored_maps_are_those_of_brute_force(study, label) -> None:
    backbone = ais.backbone(label)
    head, _ = load_head(study.folder.head_file(label, 1))
    model = RatingModel(backbone.trunk, head)
    with open_maps(study.folder.maps, label) as stored:
        name = str(stored["image"].values[2])
        chosen = stored.sel(image=name, seed=1).load()
    record = json.loads((study.folder.root / "provenance.json").read_text())
    window = record["backbones"][label]["places"]["window"]
    x = backbone.transform(ImageFolder(study.config.images).load(name))[None]
    y = study.predictions.set_index("image").loc[name, "rating"].iloc[0]
    layer, reach = backbone.trunk.get_submodule(backbone.trunk_layer), window // 2
    _, rows, columns = backbone.map_shape
    with torch.inference_mode():
        f = float(model(x))
        for row, column in ((0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)):
            band = slice(max(row - reach, 0), row + reach + 1)
            across = slice(max(column - reach, 0), column + reach + 1)

            def without(_m, _i, output, band=band, across=across):
                output = output.clone()
                output[:, :, band, across] = 0
                return output

            handle = layer.register_forward_hook(without)
            removed = float(model(x))
            handle.remove()
            here = {"y": row, "x": column}
            evidence = float(chosen["evidence_place"].isel(here))
            importance = float(chosen["ais_place"].isel(here))
            assert evidence == pytest.approx(f - removed, abs=1e-5)
            side = np.sign(abs(removed - y) - abs(f - y))
            assert importance == pytest.approx(side * abs(removed - f), abs=1e-5)


def test_places_are_compared_and_recorded_as_channels_are(study) -> None:
    assert set(study.agreement["map"]) == set(BASE)
    record = study.folder.provenance()["backbones"]
    assert "place" in record[VGG]["places"]["plan"]
    assert record[VGG]["places"]["forward_passes"] < 3
    assert record[VGG]["sign_is_arbitrary"] is False
    assert record[BARLOW]["sign_is_arbitrary"] is True


def test_the_function_makes_the_same_maps(study) -> None:
    backbone = ais.backbone(BARLOW)
    head, _ = load_head(study.folder.head_file(BARLOW, 0))
    found = ais.explain(
        backbone, head, study.config.images, study.config.ratings, method="ais_place"
    )
    with open_maps(study.folder.maps, BARLOW) as stored:
        held = stored["ais_place"].sel(seed=0).load()
    np.testing.assert_allclose(found.sel(image=held["image"]), held, atol=1e-5)
    with pytest.raises(ais.RequestError, match=r"AIS needs human ratings.*evidence_place"):
        ais.explain(backbone, head, study.config.images, method="ais_place")
    with pytest.raises(ais.RequestError, match="expected options `window` and `replace`"):
        ais.explain(
            backbone, head, study.config.images, method="evidence_place", options={"cells": 7}
        )


def test_the_mean_can_stand_in_for_a_place(study, planted) -> None:
    backbone = ais.backbone(BARLOW)
    head, _ = load_head(study.folder.head_file(BARLOW, 0))
    zero, mean = (
        ais.explain(
            backbone,
            head,
            planted.images,
            method="evidence_place",
            options={"replace": one, "window": 1},
        )
        for one in ("zero", "mean")
    )
    assert not np.allclose(zero, mean)
    assert np.isfinite(mean).all()
