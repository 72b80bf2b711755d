"""Whole simulated studies with a known answer: what the table of pairs says of them."""

from __future__ import annotations

import numpy as np
import pytest

from aisthesis.agreement import (
    activation_baseline,
    chance_level,
    pair_values,
    same_side,
    summarise,
    variance_components,
)

SIDE = 8


def study(n, seed, *, common=0.6, centre=0.0, same=0.75):
    """AIS maps of two backbones: shared evidence, own noise, a centre bias, and the errors' sides.

    `same` is the chance that both err on one side of the rating; where they do not, the maps of
    the same evidence have opposite signs.
    """
    rng = np.random.default_rng(seed)
    place = np.random.default_rng(99).normal(size=(SIDE, SIDE))
    place = (place - place.mean()) / place.std()
    evidence = rng.normal(size=(n, SIDE, SIDE))
    side = rng.choice([-1.0, 1.0], size=n)
    sides = {"a": side, "b": side * np.where(rng.uniform(size=n) < same, 1, -1)}
    maps = {
        name: -signs[:, None, None]
        * (np.sqrt(common) * evidence + np.sqrt(1 - common) * rng.normal(size=(n, SIDE, SIDE)))
        + np.sqrt(centre) * place
        for name, signs in sides.items()
    }
    residuals = {name: signs * rng.uniform(0.1, 2, n) for name, signs in sides.items()}
    return maps, residuals, evidence


def summary(n, seed, n_boot=1000, **known):
    maps, residuals, _ = study(n, seed, **known)
    values = pair_values(maps, ["cosine"], size_px=SIDE)
    return summarise(values, seed=seed, n_boot=n_boot, sides=same_side(residuals)).iloc[0]


def test_a_known_common_part_and_known_sides_are_found():
    row = summary(4000, seed=1, n_boot=1, common=0.6, same=0.75)
    assert row["same_side_share"] == pytest.approx(0.75, abs=0.03)
    assert row["same_side_mean"] == pytest.approx(0.6, abs=0.01)
    assert row["mean"] == pytest.approx((2 * 0.75 - 1) * 0.6, abs=0.03)
    assert summary(4000, seed=1, n_boot=1, same=1.0)["mean"] == pytest.approx(0.6, abs=0.01)


def test_intervals_of_agreement_cover_as_often_as_they_claim():
    truth = summary(60_000, seed=999, n_boot=1)
    studies, hits = 300, np.zeros(2)
    for seed in range(studies):
        row = summary(40, seed, n_boot=400)
        hits += (
            row["low"] <= truth["mean"] <= row["high"],
            row["same_side_low"] <= truth["same_side_mean"] <= row["same_side_high"],
        )
    # Four SDs of the share of 300 studies are 5 %.
    np.testing.assert_allclose(hits / studies, 0.95, atol=0.05)


def test_pure_centre_bias_is_agreement_but_no_more_than_chance():
    maps, _, _ = study(150, seed=3, common=0.0, centre=1.0, same=1.0)
    row = summarise(pair_values(maps, ["cosine"], size_px=SIDE)).iloc[0]
    chance = chance_level(maps, size_px=SIDE, n_permutations=999).iloc[0]
    assert row["low"] > 0.4
    assert chance["chance_low"] <= row["mean"] <= chance["chance_high"]
    assert chance["p"] > 0.05
    single = {name: one[None] for name, one in maps.items()}
    shares = variance_components(single, size_px=SIDE).set_index("component")
    assert shares.loc["shared", "share"] == pytest.approx(0.5, abs=0.05)
    assert shares.loc["image", "low"] <= 0 <= shares.loc["image", "high"]


def test_the_baseline_is_the_part_of_a_map_that_is_mere_activation():
    maps, _, evidence = study(2000, seed=4, common=0.36, same=1.0)
    unsigned = {
        name: one * -np.sign((one * evidence).sum(axis=(1, 2)))[:, None, None]
        for name, one in maps.items()
    }
    activations = dict.fromkeys("ab", -evidence)
    table = summarise(activation_baseline(unsigned, activations, size_px=SIDE), n_boot=10)
    np.testing.assert_allclose(table["mean"], np.sqrt(0.36), atol=0.01)
