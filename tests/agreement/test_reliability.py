"""Reliability and disattenuation of simulated maps with known shares of variance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.agreement import agree, disattenuated, reliability, seed_cosines
from aisthesis.errors import RequestError


def simulated(n=150, seeds=4, common=1.0, own=1.0, noise=1.0, seed=0, side=14):
    rng = np.random.default_rng(seed)
    evidence = common * rng.normal(size=(1, n, side, side))
    return {
        name: evidence
        + own * rng.normal(size=(1, n, side, side))
        + noise * rng.normal(size=(seeds, n, side, side))
        for name in "ab"
    }


def test_known_reliability_is_found():
    table = reliability(simulated(common=1.0, own=1.0, noise=1.0))
    np.testing.assert_allclose(table["mean"], 2 / 3, atol=0.015)
    assert (table["low"] < table["mean"]).all()
    assert (table["mean"] < table["high"]).all()
    assert table["n_seeds"].tolist() == [4, 4]
    assert table["n"].tolist() == [150, 150]


@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_disattenuation_takes_the_noise_of_seeds_out(noise):
    row = disattenuated(simulated(common=1.0, own=1.0, noise=noise)).iloc[0]
    assert row["single_seed"] == pytest.approx(1 / (2 + noise**2), abs=0.02)
    assert row["disattenuated"] == pytest.approx(0.5, abs=0.03)


def test_backbones_that_see_the_same_agree_fully_but_for_the_seeds():
    row = disattenuated(simulated(own=0.0, noise=1.5)).iloc[0]
    assert row["disattenuated"] == pytest.approx(1, abs=0.03)
    assert row["single_seed"] < 0.4


def test_intervals_cover_the_known_value():
    truth, hits = 0.5, 0
    for seed in range(40):
        maps = simulated(n=40, seeds=2, seed=seed, side=5)
        # Small maps are z-scored by their own SD, which bends the expectation a little.
        row = disattenuated(maps, size_px=5, n_boot=300).iloc[0]
        hits += row["disattenuated_low"] <= truth <= row["disattenuated_high"]
    assert 0.85 <= hits / 40 <= 1


def test_seed_cosines_are_those_of_the_maps():
    maps = simulated(n=3, seeds=2)
    cosines = seed_cosines(maps["a"], maps["b"][..., :7, :7])
    assert cosines.shape == (3, 2, 2)
    for s in range(2):
        for t in range(2):
            expected = agree(maps["a"][s], maps["b"][t][:, :7, :7])["cosine"]
            np.testing.assert_allclose(cosines[:, s, t], expected, atol=1e-12)


def test_a_single_seed_or_no_reliability_gives_nan():
    single = simulated(n=5, seeds=1)
    assert reliability(single)["mean"].isna().all()
    assert disattenuated(single)["disattenuated"].isna().all()
    opposite = simulated(n=5, seeds=2)
    opposite["a"][1] = -opposite["a"][0]
    row = disattenuated(opposite).iloc[0]
    assert row[["disattenuated", "disattenuated_low", "disattenuated_high"]].isna().all()


def test_flat_maps_are_left_out_and_counted():
    maps = simulated(n=6, seeds=2)
    maps["a"][1, 3] = 2.0
    assert reliability(maps)["n"].tolist() == [5, 6]
    assert disattenuated(maps)["disattenuated_n"].tolist() == [5]


def test_deterministic_and_shapes_are_checked():
    maps = simulated(n=5, seeds=2)
    pd.testing.assert_frame_equal(disattenuated(maps), disattenuated(maps), check_exact=True)
    with pytest.raises(RequestError, match="single seeds"):
        reliability({"a": np.zeros((3, 7, 7))})
    with pytest.raises(RequestError, match="same images"):
        disattenuated({"a": np.zeros((2, 3, 7, 7)), "b": np.zeros((2, 4, 7, 7))})
