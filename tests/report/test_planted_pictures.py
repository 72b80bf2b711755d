"""Known evidence is outlined where it is, and the images are chosen by how well it is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aisthesis.faithfulness import load_masks, pixel_auc
from aisthesis.images import Transform
from aisthesis.maps.resample import upsample
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.folder.stored_maps import CropBox
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.report.pictures.planted_pictures import outlined, planted_pictures


def masks(record) -> np.ndarray:
    transform = Transform(**record.provenance["backbones"]["vgg16"]["transform"])
    return load_masks(Path(record.config["masks"]) / "raising", record.explained, transform)


def test_images_are_those_found_best_middling_and_worst_with_their_exact_scores(full_study):
    record = read_study_record(full_study)
    found = planted_pictures(record, Photographs(record.images_dir))
    raising = masks(record)
    assert (found.n, found.n_raising, found.n_lowering) == (6, 4, 4)
    assert found.area == pytest.approx(raising[raising.any((1, 2))].mean())
    means = []
    for image in found.images:
        k = record.explained.index(image.name)
        for one in image.maps:
            values = record.maps[one.label].get("evidence", image.name)
            pixels = upsample(torch.from_numpy(values[None]).double(), raising.shape[1:]).numpy()
            expected = pixel_auc(pixels, raising[k][None])[0]
            assert one.auc == pytest.approx(expected, nan_ok=True)
        means.append(np.nanmean([one.auc for one in image.maps]))
    assert [image.why for image in found.images] == [
        "found best", "found middling well", "found worst"
    ]  # fmt: skip
    # Ranked on a coarser grid, so near ties may swap.
    assert means[0] >= means[1] - 0.05
    assert means[1] >= means[2] - 0.05


def test_outlines_lie_around_the_evidence_and_nowhere_else():
    picture = Image.new("RGB", (400, 200), (120, 120, 120))
    raising, lowering = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    raising[40:60, 20:40] = True
    lowering[40:60, 60:80] = True
    crop = CropBox(100, 0, 300, 200, 400, 200)
    pixels = np.asarray(outlined(picture, crop, raising, lowering)).astype(int)
    changed = np.abs(pixels - 120).max(axis=2) > 0
    y, x = np.nonzero(changed)
    assert x.min() >= 100 + 2 * 20 - 4
    assert x.max() <= 100 + 2 * 80 + 4
    assert y.min() >= 2 * 40 - 4
    assert y.max() <= 2 * 60 + 4
    assert not changed[90:110, 150:170].any(), "the evidence itself stays to be seen"
    solid, dotted = changed[:, 130:190].sum(), changed[:, 210:270].sum()
    assert 0.3 * solid < dotted < 0.7 * solid
    assert (pixels[changed].max(axis=1) == 255).any()
    assert (pixels[changed].max(axis=1) == 20).any()


def test_masks_that_are_gone_leave_the_pictures_out(make_study):
    study = make_study(labels=["vgg16"], n_test=3, n_train=0, seeds=1, localisation=True)
    record = read_study_record(study)
    photographs = Photographs(record.images_dir)
    assert planted_pictures(record, photographs) is not None
    shutil.rmtree(Path(record.config["masks"]) / "lowering")
    assert planted_pictures(record, photographs) is None
    shutil.rmtree(record.config["masks"])
    assert planted_pictures(record, photographs) is None
    assert planted_pictures(read_study_record(study), photographs) is None


def test_outlines_of_a_crop_that_reaches_beyond_the_picture_stay_with_the_evidence():
    # A 2:1 picture with bars: the masks' rows 25 to 75 lie on it.
    picture = Image.new("RGB", (400, 200), (120, 120, 120))
    raising, lowering = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    raising[40:60, 20:40] = True
    crop = CropBox(0, -100, 400, 300, 400, 200)
    pixels = np.asarray(outlined(picture, crop, raising, lowering)).astype(int)
    y, x = np.nonzero(np.abs(pixels - 120).max(axis=2) > 0)
    assert abs(x.min() - 80) <= 4
    assert abs(x.max() - 160) <= 4
    assert abs(y.min() - 60) <= 4
    assert abs(y.max() - 140) <= 4


def test_a_map_is_laid_where_it_belongs_in_every_view():
    white = Image.new("RGB", (200, 100), "white")
    values = np.zeros((8, 8))
    values[4, 6] = 1.0  # the 5th row and the 7th column of eight
    boxes = {
        "crop": (50, 0, 150, 100), "squash": (0, 0, 200, 100), "pad": (0, -50, 200, 150),
    }  # fmt: skip
    for view, box in boxes.items():
        laid = lay_over(white, values, CropBox(*box, 200, 100), 200)
        red = 255 - np.asarray(laid)[..., 2].astype(float)
        y, x = (each.mean() for each in np.nonzero(red > 0.9 * red.max()))
        width, height = box[2] - box[0], box[3] - box[1]
        assert abs(x - (box[0] + 6.5 / 8 * width)) <= width / 16, view
        assert abs(y - (box[1] + 4.5 / 8 * height)) <= height / 16, view
