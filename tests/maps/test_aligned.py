"""Labelled arrays are compared image by image, in whatever order they and their axes lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import aisthesis as ais
from aisthesis.agreement import (
    activation_baseline,
    chance_level,
    pair_values,
    reliability,
    same_side,
    seed_cosines,
    variance_components,
)
from aisthesis.errors import RequestError
from aisthesis.faithfulness import (
    infidelity,
    localisation_table,
    perturbation_curves,
    pixel_auc,
    pointing_game,
)
from aisthesis.heads import evaluate
from aisthesis.maps.aligned import aligned

NAMES = ["w.png", "x.png", "y.png", "z.png"]


def labelled(values: np.ndarray, names=NAMES, dims=("image", "y", "x")) -> xr.DataArray:
    return xr.DataArray(values, dims=dims, coords={"image": list(names)})


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def a(rng) -> xr.DataArray:
    return labelled(rng.normal(size=(4, 3, 5)))


@pytest.fixture(scope="module")
def b(rng) -> xr.DataArray:
    return labelled(rng.normal(size=(4, 4, 4)))


ORDERS = {"reversed": [3, 2, 1, 0], "shuffled": [2, 0, 3, 1], "as it was": [0, 1, 2, 3]}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_order_of_the_images_changes_nothing(a, b, order) -> None:
    expected = ais.agree(a, b)
    assert expected["image"].tolist() == NAMES
    pd.testing.assert_frame_equal(ais.agree(a, b[order]), expected)
    other = ais.agree(a[order], b).set_index("image").loc[NAMES].reset_index()
    pd.testing.assert_frame_equal(other, expected)
    assert np.allclose(ais.agree(a, a[order])["cosine"], 1)


@pytest.mark.parametrize("dims", [("y", "x", "image"), ("x", "image", "y"), ("image", "x", "y")])
def test_the_order_of_the_dimensions_changes_nothing(a, b, dims) -> None:
    expected = ais.agree(a, b, metrics=["cosine", "ssim"])
    found = ais.agree(a.transpose(*dims)[..., ::1], b.transpose(*dims), metrics=["cosine", "ssim"])
    pd.testing.assert_frame_equal(found, expected)


def test_dimensions_of_other_names_take_the_places_that_are_left(a, b) -> None:
    renamed = a.rename(y="row", x="column").transpose("row", "column", "image")
    pd.testing.assert_frame_equal(ais.agree(renamed, b), ais.agree(a, b))


def test_plain_arrays_are_compared_by_position_as_ever(a, b) -> None:
    plain = ais.agree(a.values, torch.from_numpy(b.values))
    assert plain["image"].tolist() == [0, 1, 2, 3]
    assert np.array_equal(plain["cosine"], ais.agree(a, b)["cosine"])
    no_names = ais.agree(a.drop_vars("image"), b.drop_vars("image"))
    pd.testing.assert_frame_equal(no_names, plain)


def test_one_labelled_and_one_plain_lie_in_the_same_order_and_keep_the_names(a, b) -> None:
    expected = ais.agree(a, b)
    pd.testing.assert_frame_equal(ais.agree(a, b.values), expected)
    pd.testing.assert_frame_equal(ais.agree(a.values, torch.from_numpy(b.values)).assign(
        image=NAMES), expected)  # fmt: skip
    pd.testing.assert_frame_equal(ais.agree(a.values, b), expected)


def test_a_plain_array_beside_two_orders_is_refused(a, b) -> None:
    with pytest.raises(RequestError, match=r"c does not name its images, and a and b come in diff"):
        pair_values({"a": a, "b": b[::-1], "c": b.values})
    pair_values({"a": a, "b": b, "c": b.values})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m[:3], r"a has 1 that b has not \(z.png\); take those that both have"),
        (lambda m: m.assign_coords(image=["w.png", "x.png", "y.png", "q.png"]),
         r"a has 1 that b has not \(z.png\) and b has 1 that a has not \(q.png\)"),
        (lambda m: m.assign_coords(image=["w.png", "x.png", "x.png", "z.png"]),
         r"b names x.png more than once"),
        (lambda m: m[:0], r"a has 4 that b has not \(w.png, x.png, y.png, ...\)"),
        (lambda m: m.values[:3], r"a has 4 and b, which does not name its images, 3"),
        (lambda m: m.expand_dims(seed=2), r"got \(seed, image, y, x\); average over seed"),
        (lambda m: m[0], r"expected the dimensions image, y, x, got \(y, x\)"),
        (lambda m: xr.Dataset({"ais": m, "evidence": m}), r"holds ais, evidence; name one"),
    ],
)  # fmt: skip
def test_sets_that_differ_are_refused_in_one_sentence(a, b, change, words) -> None:
    with pytest.raises(RequestError, match=words) as fault:
        ais.agree(a, change(b))
    assert "\n" not in str(fault.value)


def test_a_dataset_of_one_stack_is_that_stack_and_one_of_several_is_backbones(a, b) -> None:
    pd.testing.assert_frame_equal(ais.agree(a.to_dataset(name="ais"), b), ais.agree(a, b))
    both = xr.Dataset({"one": a, "two": (a[::-1] * 2)})
    assert np.allclose(pair_values(both)["value"][lambda v: v.index % 4 == 0], 1)


def test_arrays_on_a_disk_are_not_read_to_be_put_in_order(tmp_path, a, b) -> None:
    a.to_dataset(name="ais").to_zarr(tmp_path / "maps.zarr", consolidated=False)
    stored = xr.open_zarr(tmp_path / "maps.zarr", consolidated=False, chunks=None)["ais"]
    turned = aligned({"b": b, "a": stored[::-1].transpose("y", "image", "x")})
    assert not isinstance(turned.arrays["a"]._data, np.ndarray)
    pd.testing.assert_frame_equal(ais.agree(b, stored[::-1]), ais.agree(b, a))


def test_every_statistic_of_several_stacks_is_of_the_images_and_not_of_their_order(a, b, rng):
    turned = {"a": a, "b": b[[2, 0, 3, 1]].transpose("x", "image", "y")}
    maps = {"a": a, "b": b}
    pd.testing.assert_frame_equal(pair_values(turned), pair_values(maps))
    pd.testing.assert_frame_equal(chance_level(turned), chance_level(maps))
    activations = {"a": a**2, "b": b**2}
    pd.testing.assert_frame_equal(
        activation_baseline(turned, activations), activation_baseline(maps, activations)
    )
    seeds = {
        name: xr.concat([one, one + labelled(rng.normal(size=one.shape))], "seed")
        for name, one in maps.items()
    }
    mixed = {"a": seeds["a"], "b": seeds["b"][:, ::-1].transpose("y", "image", "seed", "x")}
    for function in (reliability, variance_components):
        pd.testing.assert_frame_equal(function(mixed, n_boot=9), function(seeds, n_boot=9))
    assert np.array_equal(seed_cosines(*mixed.values()), seed_cosines(*seeds.values()))


def test_numbers_an_image_are_put_in_order_by_their_index() -> None:
    y = pd.Series([1.0, 2.0, 4.0, 3.0], index=NAMES)
    f = pd.Series([1.5, 2.0, 3.0, 3.5], index=NAMES)
    assert evaluate(y, f[::-1]) == evaluate(y.to_numpy(), f.to_numpy())
    residuals = {"a": y - 2.5, "b": f - 2.5}
    turned = same_side({"a": residuals["a"], "b": residuals["b"][::-1]})
    assert turned["image"].tolist() == NAMES
    plain = same_side({name: one.to_numpy() for name, one in residuals.items()})
    assert turned["same_side"].tolist() == plain["same_side"].tolist()
    with pytest.raises(RequestError, match="ratings has 1 that predictions has not"):
        evaluate(y, f[:3])


def test_maps_and_masks_are_put_in_one_order(a, rng) -> None:
    masks = labelled(rng.random((4, 3, 5)) > 0.5)
    for score in (pointing_game, pixel_auc):
        assert np.array_equal(score(a, masks[::-1]), score(a.values, masks.values))
    tables = [
        localisation_table("net", {"evidence": a, "ais": a[::-1]}, some, ~masks, n_resamples=9)
        for some in (masks, masks[[1, 3, 0, 2]].transpose("x", "y", "image"))
    ]
    pd.testing.assert_frame_equal(*tables)
    pd.testing.assert_frame_equal(
        ais.localise(a.rename("evidence"), masks[::-1]), ais.localise({"evidence": a}, masks.values)
    )
    with pytest.raises(RequestError, match="expected masks by `raising` and `lowering`, got up"):
        ais.localise(a, {"up": masks})


def test_maps_on_a_network_are_put_in_one_order_and_curves_are_labelled(a) -> None:
    images = torch.rand(4, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    maps, turned = {"a": a, "b": a**2}, {"a": a, "b": (a**2)[::-1]}

    def model(pixels: torch.Tensor) -> torch.Tensor:
        return pixels[:, 0, :6].mean((1, 2))

    curves = [
        perturbation_curves(model, images, each, n_steps=3, cell_px=4) for each in (maps, turned)
    ]
    assert curves[0].indexes["image"].tolist() == NAMES
    xr.testing.assert_identical(*curves)
    found, expected = (infidelity(model, images, each, cell_px=4) for each in (turned, maps))
    assert np.array_equal(found["b"], expected["b"])
