"""Maps by other explainers in the page: read, averaged where fine, and kept to a sane size."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from aisthesis.faithfulness import load_masks
from aisthesis.images import Transform
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.folder.stored_maps import LONGEST, kinds_of
from aisthesis.report.parts.method_ranks import Contrast
from aisthesis.report.pictures import browser_data
from aisthesis.report.pictures.browser_data import images_with_others
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.report.pictures.rank_pictures import contrast_cards
from aisthesis.report.write import write_report


@pytest.fixture
def study(make_study):
    """One network of two has a fine map by LIME and a coarse one by Grad-CAM."""
    folder = make_study(labels=["vgg16", "vgg19"], n_test=5, n_train=0, seeds=1)
    store = folder / "maps.zarr" / "vgg16"
    own = xr.open_zarr(store, consolidated=False, chunks=None)
    rng = np.random.default_rng(0)
    for method, side in (("grad_cam", 7), ("lime", 2 * LONGEST)):
        maps = rng.normal(size=(5, side, side)).astype(np.float32)
        dataset = xr.Dataset({method: (("image", "y", "x"), maps)}, {"image": own["image"].values})
        dataset.attrs["backbone"] = "vgg16"
        dataset.to_zarr(store, group=method, mode="a", consolidated=False)
    return folder


def test_fine_maps_are_averaged_and_coarse_ones_kept(study):
    maps = read_study_record(study).maps
    assert kinds_of(maps) == ["ais", "evidence", "grad_cam", "lime"]
    assert set(maps["vgg19"].kinds) == {"ais", "evidence"}
    fine = xr.open_zarr(study / "maps.zarr" / "vgg16", group="lime", consolidated=False)["lime"]
    blocks = fine.values.reshape(5, LONGEST, 2, LONGEST, 2).mean((2, 4))
    np.testing.assert_allclose(maps["vgg16"].kinds["lime"], blocks, atol=1e-6)
    assert maps["vgg16"].kinds["grad_cam"].shape == (5, 7, 7)


def test_the_page_holds_every_methods_maps(study, no_figures):
    page = write_report(study).read_text(encoding="utf-8")
    assert "every network’s map by every method" in page
    assert "<span>Grad-CAM</span>" in page
    assert "To keep the page small" not in page


def test_large_studies_have_other_methods_for_images_spread_over_them(
    study, monkeypatch, no_figures
):
    record = read_study_record(study)
    names = record.explained
    assert images_with_others(names, record.maps) == set(names)
    cells = 7 * 7 + LONGEST**2
    monkeypatch.setattr(browser_data, "MOST_BYTES", int(3.5 * cells * 8 / 3))
    assert images_with_others(names, record.maps) == {names[0], names[2], names[4]}
    page = write_report(study).read_text(encoding="utf-8")
    assert "(by place and by channel) are shown for 3 images" in page


def test_encoded_maps_follow_one_another_as_the_page_reads_them(study):
    record = read_study_record(study)
    name = record.explained[0]
    kinds = kinds_of(record.maps)
    text, facts = browser_data._maps_of(name, record.maps, kinds)
    values = np.frombuffer(base64.b64decode(text), "<i2")
    offset = 0
    for kind in kinds:
        for stack, own in zip(record.maps.values(), facts[kind], strict=True):
            found = stack.get(kind, name)
            assert (found is None) == (own is None)
            if found is not None:
                part = values[offset : offset + found.size].reshape(found.shape) * own[0]
                np.testing.assert_allclose(part, found, atol=np.abs(found).max() / 30000)
                offset += found.size
    assert offset == len(values)


def test_contrasts_are_shown_on_the_image_that_bears_them_out(make_study):
    """Grad-CAM is drawn where raising evidence is, and the wrong way round on the fourth image."""
    folder = make_study(labels=["vgg16", "vgg19"], n_test=5, n_train=0, seeds=1, localisation=True)
    record = read_study_record(folder)
    stack = record.maps["vgg16"]
    masks, _ = masks_of(record, "vgg16")
    maps = masks.reshape(5, 14, 16, 14, 16).mean((2, 4)).astype(np.float32)
    maps[3] *= -1
    stack.kinds["grad_cam"] = maps
    shown = Photographs(record.images_dir)
    worse = Contrast("vgg16", "grad_cam", by_place=5, by_deletion=1, n=5)
    (card,) = contrast_cards(record, shown, [worse])
    assert card["name"] == stack.images[3]
    assert card["why"] == "Grad-CAM on vgg16: 1 of 5 by deletion, 5 of 5 by pixel AUC"
    assert card["sentence"].startswith("Grad-CAM misses the raising evidence here (pixel AUC 0.0")
    assert [panel["label"] for panel in card["panels"]] == ["Grad-CAM", "Evidence"]
    assert all(panel["uri"].startswith("data:image/jpeg") for panel in card["panels"])
    better = Contrast("vgg16", "grad_cam", by_place=1, by_deletion=5, n=5)
    (card,) = contrast_cards(record, shown, [better])
    assert card["name"] != stack.images[3]
    assert (
        "finds the raising evidence here (pixel AUC 1.00, the highest of those" in card["sentence"]
    )
    absent = Contrast("vgg19", "grad_cam", 1, 5, 5)
    assert contrast_cards(record, shown, [absent]) == []


def masks_of(record, label):
    transform = Transform(**record.provenance["backbones"][label]["transform"])
    root = Path(record.config["masks"])
    names = list(record.maps[label].images)
    return [load_masks(root / side, names, transform) for side in ("raising", "lowering")]
