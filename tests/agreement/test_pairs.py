"""The table of every pair, image and metric."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from aisthesis.agreement import ORIGINAL_METRICS, MapStack, agree, metric, pair_values, pairs
from aisthesis.errors import RequestError

SIDES = {"vgg16": 14, "barlow_twins": 7, "efficientnet_b3": 8}


def three_backbones(n=11):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(n, side, side)) for name, side in SIDES.items()}


def test_rows_are_images_then_metrics_then_pairs_in_the_order_given():
    table = pair_values(three_backbones(2), ["mse", "cosine"], size_px=32)
    assert list(table) == ["image", "metric", "backbone_a", "backbone_b", "value"]
    of_pairs = [
        ("vgg16", "barlow_twins"),
        ("vgg16", "efficientnet_b3"),
        ("barlow_twins", "efficientnet_b3"),
    ]
    expected = [(i, m, a, b) for i in range(2) for m in ("mse", "cosine") for a, b in of_pairs]
    assert list(table.iloc[:, :4].itertuples(index=False, name=None)) == expected


def test_values_are_those_of_the_metric_on_each_pair():
    maps = three_backbones(6)
    table = pair_values(maps)
    assert list(table["metric"].unique()) == list(ORIGINAL_METRICS)
    for (name, a, b), group in table.groupby(["metric", "backbone_a", "backbone_b"]):
        expected = metric(name)(MapStack.of(maps[a]), MapStack.of(maps[b])).numpy()
        np.testing.assert_allclose(group["value"], expected, rtol=0, atol=1e-6)


def test_the_number_of_images_taken_at_once_changes_nothing(monkeypatch):
    maps = three_backbones()
    whole = pair_values(maps, size_px=32)
    monkeypatch.setitem(pairs.PIXELS_AT_ONCE, "cpu", 3 * 32 * 32)
    steps = []
    table = pair_values(maps, size_px=32, progress=lambda done, n: steps.append((done, n)))
    pd.testing.assert_frame_equal(table, whole, rtol=0, atol=1e-7)
    assert steps == [(3, 11), (6, 11), (9, 11), (11, 11)]


def test_two_runs_give_the_same_bits():
    first, second = pair_values(three_backbones(5)), pair_values(three_backbones(5))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_tensors_arrays_and_lazy_arrays_are_the_same():
    class Lazy:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def __getitem__(self, key):
            return self.array[key]

    maps = three_backbones()
    whole = pair_values(maps, size_px=32)
    for convert in (torch.from_numpy, Lazy):
        other = pair_values({name: convert(one) for name, one in maps.items()}, size_px=32)
        pd.testing.assert_frame_equal(other, whole, check_exact=True)


def test_undefined_images_are_rows_with_nan():
    maps = three_backbones(4)
    maps["vgg16"][1] = 5.0
    maps["barlow_twins"][2, 0, 0] = np.nan
    table = pair_values(maps, size_px=32)
    bad = table["value"].isna()
    with_vgg = (table["backbone_a"] == "vgg16") & (table["image"] == 1)
    with_barlow = (table[["backbone_a", "backbone_b"]] == "barlow_twins").any(axis=1)
    assert (bad == (with_vgg | (with_barlow & (table["image"] == 2)))).all()


def test_no_images_give_an_empty_table():
    table = pair_values({name: one[:0] for name, one in three_backbones().items()})
    assert len(table) == 0
    assert list(table) == ["image", "metric", "backbone_a", "backbone_b", "value"]


def test_agree_gives_one_row_per_image():
    maps = three_backbones()
    table = agree(maps["vgg16"], maps["barlow_twins"], metrics=["emd", "cosine"])
    assert list(table) == ["image", "emd", "cosine"]
    for name in ("emd", "cosine"):
        long = pair_values(maps, [name]).query("backbone_b == 'barlow_twins'")
        np.testing.assert_allclose(table[name], long["value"])


def test_requests_that_cannot_be_met_are_named():
    maps = three_backbones()
    with pytest.raises(RequestError, match="at least two backbones"):
        pair_values({"vgg16": maps["vgg16"]})
    with pytest.raises(RequestError, match="vgg16: 3"):
        pair_values({**maps, "vgg16": maps["vgg16"][:3]})
    with pytest.raises(RequestError, match="did you mean cosine"):
        pair_values(maps, ["cosinus"])
    with pytest.raises(RequestError, match="at least one agreement metric"):
        pair_values(maps, [])
