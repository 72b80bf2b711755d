from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captums_infidelity

from aisthesis.errors import RequestError
from aisthesis.faithfulness.baselines import fill_of
from aisthesis.faithfulness.cells import CellGrid
from aisthesis.faithfulness.infidelity import infidelity, removed_squares
from aisthesis.faithfulness.sensitivity import max_sensitivity, sensitivity_table


def measured(known: Any, **maps: np.ndarray) -> dict[str, np.ndarray]:
    return infidelity(
        known.model, known.images, maps, baseline="mean", cell_px=2, n_samples=40, batch_size=7
    )


def test_the_true_map_explains_everything_whatever_its_scale(known: Any) -> None:
    result = measured(known, truth=known.truth, scaled=1e-9 * known.truth)
    np.testing.assert_allclose(result["truth"], 0, atol=1e-12)
    np.testing.assert_allclose(result["scaled"], 0, atol=1e-12)


def test_a_map_of_the_wrong_sign_explains_nothing(known: Any) -> None:
    np.testing.assert_allclose(measured(known, wrong=-known.truth)["wrong"], 1)


def test_random_maps_fall_to_the_level_of_zero(known: Any) -> None:
    rng = np.random.default_rng(0)
    maps = {f"r{i}": rng.normal(size=known.truth.shape) for i in range(60)}
    found = measured(known, **maps)
    values = np.stack([found[name] for name in maps])
    assert values.max() <= 1
    assert values.mean() > 0.85
    # the sign is right by chance in half of the maps, and then a scale is fitted
    assert 0.3 < (values == 1).mean() < 0.7


def test_it_is_captums_normalised_infidelity_over_the_mean_squared_change(known: Any) -> None:
    maps = known.truth + np.random.default_rng(4).normal(size=known.truth.shape) * 2
    ours = measured(known, m=maps)["m"]
    grid = CellGrid(12, 12, 2)
    for i, image in enumerate(known.images):
        removed = grid.pixels(removed_squares(grid, 40, seed=[0, i]))
        filled = fill_of("mean", image)(removed)

        def perturb(inputs: torch.Tensor, removed: Any = removed, filled: Any = filled) -> Any:
            return removed[:, None].expand_as(inputs).double() / 3, filled

        with torch.no_grad():
            fall = known.model(image[None]) - known.model(filled)
        theirs = captums_infidelity(
            known.model,
            perturb,
            image[None],
            torch.from_numpy(maps[i])[None, None].expand(1, 3, 12, 12),
            n_perturb_samples=40,
            normalize=True,
        )
        expected = float(theirs[0]) / float(fall.square().mean())
        assert ours[i] == pytest.approx(expected, rel=1e-9)


def test_undefined_infidelity_is_nan(known: Any) -> None:
    maps = known.truth.copy()
    maps[0], maps[1, 0, 0] = 1.0, np.nan
    assert np.isnan(measured(known, m=maps)["m"]).tolist() == [True, True] + [False] * 4
    still = infidelity(lambda x: x.new_ones(len(x)), known.images, {"m": known.truth}, cell_px=3)
    assert np.isnan(still["m"]).all()


def test_squares_are_seeded_squares_within_the_grid() -> None:
    grid = CellGrid(30, 50, 3)
    squares = removed_squares(grid, 200, seed=1).reshape(200, 10, 17)
    np.testing.assert_array_equal(squares.reshape(200, -1), removed_squares(grid, 200, seed=1))
    for square in squares:
        rows, columns = square.any(1).sum(), square.any(0).sum()
        assert rows == columns
        assert square.sum() == rows * columns
        assert 1 <= rows <= 5
    assert {int(square.any(1).sum()) for square in squares} == {1, 2, 3, 4, 5}


def test_too_few_squares_are_refused(known: Any) -> None:
    with pytest.raises(RequestError, match="at least 2 squares"):
        infidelity(known.model, known.images, {"t": known.truth}, n_samples=1, cell_px=3)


def test_a_map_that_ignores_the_image_does_not_move(known: Any) -> None:
    steady = max_sensitivity(lambda images: np.ones((len(images), 4, 4)), known.images[:2])
    np.testing.assert_array_equal(steady, 0)


def test_sensitivity_of_a_linear_map_is_within_its_radius(known: Any) -> None:
    images = known.images[:2].float()
    found = max_sensitivity(lambda batch: batch.mean(1), images, radius=0.1, n_samples=30)
    size = images.mean(1).flatten(1).norm(dim=1).numpy()
    # each pixel of the map moves by the mean of three uniform changes
    typical = 0.1 / 3 * np.sqrt(144) / size
    assert (found > typical).all()
    assert (found < 2 * typical).all()


def test_a_random_map_is_as_sensitive_as_two_independent_maps(known: Any) -> None:
    rng = np.random.default_rng(0)
    found = max_sensitivity(lambda images: rng.normal(size=(len(images), 50, 50)), known.images[:3])
    np.testing.assert_allclose(found, np.sqrt(2), rtol=0.1)


def test_sensitivity_is_seeded_takes_gradients_and_leaves_the_random_state(known: Any) -> None:
    images = known.images[:2].float()

    def saliency(batch: torch.Tensor) -> torch.Tensor:
        batch = batch.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad((batch**3).sum(), batch)
        return gradient.sum(1)

    before = torch.get_rng_state()
    one, again, other = (max_sensitivity(saliency, images, seed=s) for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(one, again)
    assert (one != other).all()
    assert (one > 0).all()


def test_sensitivity_of_no_map_is_nan(known: Any) -> None:
    assert np.isnan(max_sensitivity(lambda x: torch.zeros(len(x), 2, 2), known.images[:2])).all()


def test_without_captum_the_remedy_is_named(known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.metrics", None)
    with pytest.raises(RequestError, match=r"pip install 'aisthesis\[peers\]'"):
        max_sensitivity(lambda images: images[:, 0], known.images)


def test_sensitivity_stands_between_its_controls(known: Any) -> None:
    """A map of the pixels hardly moves; noise drawn anew moves as far as its control does."""
    pytest.importorskip("captum")
    rng = np.random.default_rng(3)
    methods = {
        "pixels": lambda batch, i: batch.mean(1),
        "noise": lambda batch, i: rng.normal(size=(len(batch), 7, 7)),
        "own": lambda batch, i: np.full((len(batch), 2, 2), 1.0 + i),
    }
    told: list[int] = []
    table = sensitivity_table(methods, known.images, advance=told.append, n_boot=400)
    assert sum(told) == len(known.images) * 4
    assert set(table["baseline"]) == {"nearby"}
    own = table.drop_duplicates("method").set_index("method")
    assert own.loc["centre", "mean"] == own.loc["own", "mean"] == 0
    assert own.loc["noise", "low"] < own.loc["random", "mean"] < own.loc["noise", "high"]
    assert own.loc["random", "mean"] > 1
    against = table[(table["method"] == "pixels") & (table["control"] == "random")].iloc[0]
    assert 0 < against["mean"] < 0.1
    assert against["difference_high"] < -1
