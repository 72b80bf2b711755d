from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from aisthesis.errors import RequestError
from aisthesis.faithfulness import (
    CONTROLS,
    LOCALISATION_COLUMNS,
    LOCALISATION_SCORES,
    RANDOM_WEIGHTS,
    bootstrap_mean,
    centre_prior,
    localisation_table,
    mass_inside,
    pixel_auc,
    pointing_game,
)
from aisthesis.faithfulness.localisation import SIDES, localisation_scores


def some(seed: int, n: int = 4, side: int = 12, levels: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    masks = rng.uniform(size=(n, side, side)) < 0.3
    masks[:, 0, 0], masks[:, 0, 1] = True, False
    return rng.integers(-levels, levels, (n, side, side)).astype(float), masks


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([1, 3, 1000]))
def test_pixel_auc_equals_scikit_learns(seed: int, levels: int) -> None:
    maps, masks = some(seed, levels=levels)
    expected = [
        roc_auc_score(mask.ravel(), one.ravel()) for one, mask in zip(maps, masks, strict=True)
    ]
    np.testing.assert_allclose(pixel_auc(maps, masks), expected, rtol=1e-12)


def test_every_side_is_scored_as_maps_that_are_turned_to_it() -> None:
    """Their values are brought into order once for all sides; the scores are those of each."""
    maps, raising = some(5)
    drawn, lowering = some(6)
    maps[0, 0, 0] = np.nan
    lowering[1] = False
    sought = {"raising": raising, "lowering": lowering, "either": raising | lowering}
    turned = {"raising": np.positive, "lowering": np.negative, "either": np.abs}
    given = {"ais": maps, "activation": drawn + 7}
    random = {"ais": np.stack([drawn, drawn[::-1]])}
    names, values = localisation_scores(given, raising, lowering, randomised=random)
    assert names == ["ais", "activation", "centre", "uniform", "ais_random_weights"]
    for i, side in enumerate(SIDES):
        for j, score in enumerate(LOCALISATION_SCORES.values()):
            own = [score(turned[side](maps), sought[side]), score(drawn + 7, sought[side])]
            two = [score(turned[side](one), sought[side]) for one in random["ais"]]
            np.testing.assert_array_equal(values[:, i, j, [0, 1]].T, own)
            np.testing.assert_array_equal(values[:, i, j, 4], np.mean(two, axis=0))


def test_auc_of_the_negated_map_is_the_complement() -> None:
    maps, masks = some(1)
    np.testing.assert_allclose(pixel_auc(maps, masks) + pixel_auc(-maps, masks), 1)


def test_uniform_maps_score_what_chance_gives() -> None:
    _, masks = some(2)
    uniform = np.ones(masks.shape)
    area = masks.mean((1, 2))
    np.testing.assert_allclose(pixel_auc(uniform, masks), 0.5)
    np.testing.assert_allclose(pointing_game(uniform, masks), area)
    np.testing.assert_allclose(mass_inside(uniform, masks), area)


def test_the_mask_itself_scores_one() -> None:
    _, masks = some(3)
    for score in (pixel_auc, pointing_game, mass_inside):
        np.testing.assert_allclose(score(masks.astype(float), masks), 1)


def test_pointing_looks_at_the_highest_pixel_alone() -> None:
    maps = np.zeros((2, 4, 4))
    maps[:, 1, 2], maps[:, 0, 0] = 5, -9
    masks = np.zeros((2, 4, 4), bool)
    masks[0, 1, 2], masks[1, 0, 0] = True, True
    np.testing.assert_array_equal(pointing_game(maps, masks), [1, 0])


def test_mass_counts_positive_values_only() -> None:
    maps = np.array([[[3.0, 1.0], [-100.0, 0.0]]])
    masks = np.array([[[True, False], [True, False]]])
    np.testing.assert_allclose(mass_inside(maps, masks), [0.75])


def test_undefined_scores_are_nan() -> None:
    maps, masks = np.ones((3, 4, 4)), np.zeros((3, 4, 4), bool)
    masks[1:, 0, 0] = True
    maps[1] = np.nan
    maps[2] = -1
    assert np.isnan(pointing_game(maps, masks)).tolist() == [True, True, False]
    assert np.isnan(pixel_auc(maps, masks)).tolist() == [True, True, False]
    assert np.isnan(mass_inside(maps, masks)).tolist() == [True, True, True]
    assert np.isnan(pixel_auc(np.ones((1, 4, 4)), np.ones((1, 4, 4), bool))).all()


def test_scores_do_not_depend_on_the_maps_scale() -> None:
    maps, masks = some(4)
    for score in (pixel_auc, pointing_game, mass_inside):
        np.testing.assert_allclose(score(maps, masks), score(maps * 1e-9, masks))


def test_centre_prior_is_symmetric_and_highest_in_the_middle() -> None:
    prior = centre_prior(7, 9)
    assert np.unravel_index(prior.argmax(), prior.shape) == (3, 4)
    np.testing.assert_allclose(prior, prior[::-1, ::-1])


def test_bootstrap_interval_shrinks_and_holds_the_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(2, 1, 400)
    mean, low, high = bootstrap_mean(values, seed=1)
    assert low < mean < high
    expected = 1.96 * values.std() / np.sqrt(len(values))
    assert high - low == pytest.approx(2 * expected, rel=0.1)
    assert bootstrap_mean(values, seed=1) == (mean, low, high)
    assert np.isnan(bootstrap_mean(np.array([]))).all()
    assert bootstrap_mean(np.array([0.5]))[0] == 0.5


def random_networks(n_images: int, n_networks: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {"evidence": rng.normal(size=(n_networks, n_images, 8, 8))}


def right_and_wrong_maps() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Six images with one raising and one lowering spot; the last has no evidence at all."""
    rng = np.random.default_rng(0)
    raising, lowering = np.zeros((2, 6, 32, 32), bool)
    for image in range(5):
        row = 4 * int(rng.integers(0, 7))
        raising[image, row : row + 4, :4] = True
        lowering[image, row : row + 4, 28:] = True
    evidence = raising.astype(float) - lowering
    return {"evidence": evidence, "activation": rng.normal(size=(6, 8, 8))}, raising, lowering


def test_table_puts_right_maps_above_every_control() -> None:
    maps, raising, lowering = right_and_wrong_maps()
    table = localisation_table(
        "b", maps, raising, lowering, randomised=random_networks(6), n_resamples=500
    )
    assert tuple(table.columns) == LOCALISATION_COLUMNS
    found = table[(table["map"] == "evidence") & (table["score"] == "auc")]
    plain = found[found["control"] == "none"].set_index("side")
    assert (plain["mean"] == 1).all()
    assert (plain["n"] == 5).all()
    assert (plain["n_undefined"] == 1).all()
    against = found[found["control"] != "none"]
    assert set(against["control"]) == {*CONTROLS, RANDOM_WEIGHTS}
    assert (against["mean"] > 0).all()
    noise = against["control"] == "activation"  # of five images one may be there by chance
    assert (against.loc[~noise, "low"] > 0).all()


def test_a_swapped_map_fails_the_signed_sides_but_not_either() -> None:
    maps, raising, lowering = right_and_wrong_maps()
    swapped = {"evidence": -maps["evidence"]}
    table = localisation_table("b", swapped, raising, lowering, n_resamples=50)
    rows = table[(table["map"] == "evidence") & (table["control"] == "none")]
    auc = rows[rows["score"] == "auc"].set_index("side")["mean"]
    assert auc["raising"] == 0
    assert auc["lowering"] == 0
    assert auc["either"] == 1


def test_controls_are_scored_and_not_compared_with_themselves() -> None:
    maps, raising, lowering = right_and_wrong_maps()
    table = localisation_table(
        "b", maps, raising, lowering, randomised=random_networks(6), n_resamples=50
    )
    controls = {*CONTROLS, f"evidence_{RANDOM_WEIGHTS}"}
    rows = table[table["map"].isin(controls)]
    assert set(rows["map"]) == controls
    assert set(rows["control"]) == {"none"}


def test_random_networks_are_scored_one_by_one_and_averaged() -> None:
    maps, raising, lowering = right_and_wrong_maps()
    networks = random_networks(6)["evidence"]
    apart = [
        localisation_table("b", {"evidence": one}, raising, lowering, n_resamples=50)
        for one in networks
    ]
    together = localisation_table(
        "b", maps, raising, lowering, randomised={"evidence": networks}, n_resamples=50
    )
    control = together[together["map"] == f"evidence_{RANDOM_WEIGHTS}"].set_index(["side", "score"])
    each = [
        table.query("map == 'evidence' and control == 'none'").set_index(["side", "score"])["mean"]
        for table in apart
    ]
    np.testing.assert_allclose(control["mean"], np.mean(each, axis=0))


def test_networks_and_their_opposites_cancel_to_chance() -> None:
    maps, raising, lowering = right_and_wrong_maps()
    networks = random_networks(6)["evidence"]
    both = {"evidence": np.concatenate([networks, -networks])}
    table = localisation_table("b", maps, raising, lowering, randomised=both, n_resamples=50)
    auc = table[(table["map"] == f"evidence_{RANDOM_WEIGHTS}") & (table["score"] == "auc")]
    signed = auc.set_index("side")["mean"][["raising", "lowering"]]
    np.testing.assert_allclose(signed, 0.5)


def test_small_maps_are_upsampled_to_the_masks() -> None:
    raising = np.zeros((1, 32, 32), bool)
    raising[0, :8, :8] = True
    small = np.zeros((1, 4, 4))
    small[0, 0, 0] = 1
    table = localisation_table("b", {"evidence": small}, raising, ~raising, n_resamples=10)
    row = table.query("map == 'evidence' and side == 'raising' and score == 'auc'").iloc[0]
    assert row["mean"] > 0.99


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"evidence": np.ones((5, 8, 8))}, r"'evidence' should be \(6, h, w\)"),
        ({"evidence": np.ones((6, 8))}, r"got \(6, 8\)"),
    ],
)
def test_maps_that_do_not_fit_are_refused(maps: dict[str, np.ndarray], words: str) -> None:
    _, raising, lowering = right_and_wrong_maps()
    with pytest.raises(RequestError, match=words):
        localisation_table("b", maps, raising, lowering)


def test_masks_that_do_not_fit_are_refused() -> None:
    _, raising, lowering = right_and_wrong_maps()
    with pytest.raises(RequestError, match="one shape"):
        localisation_table("b", {}, raising, lowering[:3])
    with pytest.raises(RequestError, match="boolean masks"):
        pixel_auc(np.ones((1, 4, 4)), np.ones((1, 4, 4)))
