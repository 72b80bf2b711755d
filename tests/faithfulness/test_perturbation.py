from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from aisthesis.errors import RequestError
from aisthesis.faithfulness.cells import ORDERS, CellGrid, cell_values, removal_orders
from aisthesis.faithfulness.perturbation import curve_measures, perturbation_curves

MEASURES = (
    "deletion_positive",
    "deletion_negative",
    "insertion_positive",
    "insertion_negative",
    "road",
    "magnitude",
)


def measured(known: Any, maps: dict[str, np.ndarray], **options: Any) -> Any:
    options = {"baseline": "mean", "cell_px": 3, "n_steps": 16} | options
    return curve_measures(perturbation_curves(known.model, known.images, maps, **options))


def many_random(known: Any, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {f"r{i}": rng.normal(size=(len(known.images), 4, 4)) for i in range(n)}


def test_cells_cover_the_image_once_and_cut_off_at_its_edge() -> None:
    grid = CellGrid(7, 11, 4)
    assert grid.shape == (2, 3)
    assert len(grid) == 6
    each = grid.pixels(np.eye(6, dtype=bool))
    assert each.shape == (6, 7, 11)
    assert (each.sum(0) == 1).all()
    np.testing.assert_array_equal(each.sum((1, 2)), grid.areas())


def test_cell_values_are_the_upsampled_maps_means() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 5, 4))
    grid = CellGrid(14, 11, 3)
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], size=(14, 11), mode="bilinear"
    )[:, 0]
    expected = [
        [float(one[mask].mean()) for mask in grid.pixels(np.eye(len(grid), dtype=bool))]
        for one in pixels
    ]
    np.testing.assert_allclose(cell_values(maps, grid), expected, atol=1e-12)


def test_orders_sort_by_value_and_by_magnitude_and_break_ties_by_seed() -> None:
    values = np.array([0.5, -3.0, 2.0, 0.0])
    orders = {name: order.tolist() for name, order in removal_orders(values, 0).items()}
    assert orders == {
        "highest": [2, 0, 3, 1],
        "lowest": [1, 3, 0, 2],
        "largest": [1, 2, 0, 3],
        "smallest": [3, 0, 2, 1],
    }
    ties = [removal_orders(np.repeat([1.0, 2.0], 50), seed)["highest"].tolist() for seed in (1, 2)]
    assert ties[0] != ties[1]
    assert all(set(order[:50]) == set(range(50, 100)) for order in ties)


@pytest.mark.parametrize("baseline", ["mean", "blur", "noisy_linear"])
def test_curves_equal_a_loop_over_the_pixels(known: Any, baseline: str) -> None:
    from aisthesis.faithfulness.baselines import fill_of
    from aisthesis.faithfulness.perturbation import _stream

    rng = np.random.default_rng(3)
    values = rng.normal(size=(len(known.images), 4, 4))
    maps = values.repeat(3, 1).repeat(3, 2)  # one value a cell
    curves = perturbation_curves(
        known.model, known.images, {"m": maps}, baseline=baseline, cell_px=3, n_steps=5
    )
    counts = np.rint(np.linspace(0, 16, 6)).astype(int)
    np.testing.assert_allclose(curves["share"], counts / 16)
    for i, image in enumerate(known.images):
        fill = fill_of(baseline, image, seed=_stream(0, i))
        for name, sign in (("highest", -1), ("lowest", 1)):
            ranked = np.argsort(sign * values[i].ravel())
            for step, count in enumerate(counts):
                removed = torch.zeros(1, 12, 12, dtype=torch.bool)
                for cell in ranked[:count]:
                    y, x = 3 * (cell // 4), 3 * (cell % 4)
                    removed[0, y : y + 3, x : x + 3] = True
                with torch.no_grad():
                    expected = float(known.model(fill(removed))[0])
                got = float(curves.sel(map="m", order=name).isel(image=i, step=step))
                assert got == pytest.approx(expected, abs=1e-9)


def test_the_true_map_is_best_and_its_area_is_known(known: Any) -> None:
    result = measured(known, {"truth": known.truth} | many_random(known, 20))
    cells = known.truth.reshape(-1, 4, 3, 4, 3).sum((2, 4)).reshape(len(known.images), 16)
    falling = np.cumsum(-np.sort(-cells, axis=1), axis=1)
    area = np.trapezoid(np.pad(falling, ((0, 0), (1, 0))), dx=1 / 16, axis=1)
    truth = result.sel(map="truth")
    np.testing.assert_allclose(truth.sel(measure="deletion_positive"), area, atol=1e-9)
    random = result.drop_sel(map="truth")
    for measure in set(MEASURES) - {"magnitude"}:
        assert (truth.sel(measure=measure) > random.sel(measure=measure)).all(), measure
    assert (
        truth.sel(measure="magnitude").mean() > random.sel(measure="magnitude").mean("image").max()
    )


def test_random_maps_fall_to_the_level_of_a_random_order(known: Any) -> None:
    """In a linear network a random order takes away the share of the whole that it removed."""
    result = measured(known, many_random(known, 100)).drop_vars("map")
    mean = known.images.mean((2, 3), keepdim=True).expand_as(known.images)
    with torch.no_grad():
        whole = (known.model(known.images) - known.model(mean)).numpy()
    expected = {
        "deletion_positive": whole / 2,
        "deletion_negative": -whole / 2,
        "insertion_positive": whole / 2,
        "insertion_negative": -whole / 2,
        "road": 0 * whole,
        "magnitude": 0 * whole,
    }
    for measure, level in expected.items():
        values = result.sel(measure=measure)
        error = values.std("map") / np.sqrt(100)
        assert (abs(values.mean("map") - level) < 4 * error).all(), measure


def test_a_negated_map_trades_the_sides(known: Any) -> None:
    result = measured(known, {"truth": known.truth, "negated": -known.truth})
    truth, negated = result.sel(map="truth"), result.sel(map="negated")
    for side, other in (
        ("deletion_positive", "deletion_negative"),
        ("insertion_positive", "insertion_negative"),
        ("road", "road"),
    ):
        np.testing.assert_allclose(negated.sel(measure=side), -truth.sel(measure=other), atol=1e-9)
    np.testing.assert_allclose(
        negated.sel(measure="magnitude"), truth.sel(measure="magnitude"), atol=1e-9
    )


def test_insertion_is_deletion_from_the_other_end(known: Any) -> None:
    maps = {"truth": known.truth} | many_random(known, 2)
    curves = perturbation_curves(known.model, known.images, maps, baseline="blur", cell_px=3)
    result = curve_measures(curves)
    offset = curves.sel(order="highest").isel(step=0) - curves.sel(order="highest").isel(step=-1)
    difference = result.sel(measure="insertion_positive") - result.sel(measure="deletion_negative")
    np.testing.assert_allclose(difference, offset.transpose(*difference.dims), atol=1e-9)


def test_a_map_without_a_sign_has_no_road(known: Any) -> None:
    unsigned = np.abs(known.truth)
    curves = perturbation_curves(
        known.model, known.images, {"u": unsigned}, baseline="mean", cell_px=3
    )
    result = curve_measures(curves, signed={"u": False}).sel(map="u")
    np.testing.assert_allclose(result.sel(measure="road"), 0, atol=1e-12)
    np.testing.assert_allclose(
        result.sel(measure="deletion_positive"), -result.sel(measure="deletion_negative")
    )
    assert abs(curve_measures(curves).sel(measure="road", map="u")).min() > 0


def test_units_divide_the_changes(known: Any) -> None:
    curves = perturbation_curves(known.model, known.images, {"t": known.truth}, cell_px=3)
    plain, halved, full = (curve_measures(curves, unit) for unit in (1.0, 2.0, "full_change"))
    np.testing.assert_allclose(halved, plain / 2)
    ends = curves.sel(order="highest", map="t")
    np.testing.assert_allclose(
        full.sel(map="t") * abs(ends.isel(step=0) - ends.isel(step=-1)), plain.sel(map="t")
    )


def test_flat_and_broken_maps_are_undefined_in_their_image_alone(known: Any) -> None:
    maps = known.truth.copy()
    maps[1], maps[3, 0, 0] = 7.0, np.nan
    result = measured(known, {"m": maps, "truth": known.truth})
    assert np.isnan(result.sel(map="m")).all("measure").values.tolist() == [
        False, True, False, True, False, False,
    ]  # fmt: skip
    assert np.isfinite(result.sel(map="truth")).all()


def test_an_image_does_not_depend_on_its_batch_or_its_companions(known: Any) -> None:
    options: dict[str, Any] = {"baseline": "noisy_linear", "cell_px": 3, "n_steps": 4}
    all_at_once = perturbation_curves(known.model, known.images, {"t": known.truth}, **options)
    counted: list[int] = []
    few = perturbation_curves(
        known.model,
        known.images[:2],
        {"other": -known.truth[:2] + 1, "t": known.truth[:2]},
        batch_size=3,
        advance=counted.append,
        **options,
    )
    np.testing.assert_allclose(
        few.sel(map="t"), all_at_once.sel(map="t").isel(image=slice(2)), atol=1e-12
    )
    assert sum(counted) == 2


def test_common_images_are_predicted_once(known: Any) -> None:
    seen = 0

    def model(images: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(images)
        return known.model(images)

    perturbation_curves(
        model, known.images, {"a": known.truth, "b": 2 * known.truth}, cell_px=3, n_steps=4
    )
    # whole image and whole baseline once, and three steps for each of at most four orders
    assert seen <= len(known.images) * (2 + 3 * len(ORDERS))


def test_the_network_is_given_back_as_it_was(known: Any) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 1), torch.nn.Flatten(0))
    network.double().train()
    perturbation_curves(network, known.images, {"t": known.truth}, cell_px=6, n_steps=2)
    assert network.training
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"baseline": "black"}, "expected a baseline"),
        ({"n_steps": 0}, "expected 1 to 16 steps"),
        ({"n_steps": 17}, "take fewer steps or smaller cells"),
        ({"cell_px": 0}, "cell_px = 0"),
        ({"orders": ["upward"]}, "expected orders from"),
        ({"maps": {"t": np.zeros((2, 4, 4))}}, "expected 6 maps 't'"),
        ({"maps": {"t": np.zeros((6, 4))}}, r"of shape \(N, h, w\)"),
        ({"images": torch.zeros(6, 12, 12)}, "expected images as a floating-point tensor"),
        ({"model": lambda images: images}, "one rating per image"),
    ],
)
def test_unfit_requests_are_refused(known: Any, change: dict[str, Any], words: str) -> None:
    request: dict[str, Any] = {
        "model": known.model,
        "images": known.images,
        "maps": {"t": known.truth},
        "cell_px": 3,
    }
    with pytest.raises(RequestError, match=words):
        perturbation_curves(**(request | change))


@pytest.mark.parametrize("unit", [0.0, -1.0, np.nan])
def test_a_unit_must_be_positive(known: Any, unit: float) -> None:
    curves = perturbation_curves(known.model, known.images, {"t": known.truth}, cell_px=3)
    with pytest.raises(RequestError, match="expected a positive unit"):
        curve_measures(curves, unit)
