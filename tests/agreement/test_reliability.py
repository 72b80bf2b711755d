"""Reliability and disattenuation of simulated maps with known shares of variance."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from aisthesis.agreement import agree, disattenuated, reliability, seed_cosines, single_seed_cosines
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


def test_intervals_cover_the_known_values_as_often_as_they_claim():
    # Small maps are z-scored by their own SD, which bends the expectation a little: the truth is
    # what very many images say.
    options = {"seeds": 2, "side": 6}
    many = simulated(n=20_000, seed=999, **options)
    stable = reliability(many, size_px=6, n_boot=1)["mean"].mean()
    corrected = disattenuated(many, size_px=6, n_boot=1)["disattenuated"][0]
    studies, hits = 250, np.zeros(2)
    for seed in range(studies):
        maps = simulated(n=40, seed=seed, **options)
        own = reliability(maps, size_px=6, n_boot=400, seed=seed).iloc[0]
        pair = disattenuated(maps, size_px=6, n_boot=400, seed=seed).iloc[0]
        hits += (
            own["low"] <= stable <= own["high"],
            pair["disattenuated_low"] <= corrected <= pair["disattenuated_high"],
        )
    # Four SDs of the share of 250 studies are 5.5 %.
    np.testing.assert_allclose(hits / studies, 0.95, atol=0.055)


def test_interval_of_the_corrected_agreement_is_that_of_scipy():
    maps = simulated(n=50, seeds=3, side=7)
    ours = disattenuated(maps, n_boot=20_000).iloc[0]
    cosines = single_seed_cosines(maps)

    def corrected(between, within_a, within_b, axis):
        product = within_a.mean(axis=axis) * within_b.mean(axis=axis)
        return between.mean(axis=axis) / np.sqrt(product)

    theirs = bootstrap(
        (cosines.between[:, 0], *cosines.within.T),
        corrected,
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=1,
        batch=2000,
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours["disattenuated_low"] == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours["disattenuated_high"] == pytest.approx(theirs.high, abs=0.03 * width)
    assert ours["single_seed"] / np.sqrt(
        ours["reliability_a"] * ours["reliability_b"]
    ) == pytest.approx(ours["disattenuated"])


@pytest.mark.parametrize("seeds", [2, 5])
def test_the_stepped_up_value_is_the_reliability_of_averaged_maps(seeds):
    maps = {"a": simulated(n=300, seeds=2 * seeds, noise=1.5)["a"]}
    table = reliability({"a": maps["a"][:seeds]}, n_boot=1)
    halves = maps["a"].reshape(2, seeds, *maps["a"].shape[1:]).mean(axis=1)
    assert table["stepped_up"][0] == pytest.approx(agree(*halves)["cosine"].mean(), abs=0.02)
    assert table["stepped_up"][0] > table["mean"][0]


def test_every_metric_is_compared_between_seeds():
    maps = simulated(n=4, seeds=3)
    maps["b"] = maps["b"][:2, ..., :7, :7]
    maps["a"][2, 1] = 0.0
    names = ["emd", "cosine", "ssim", "mse"]
    table = reliability(maps, names, size_px=28)
    assert table["metric"].tolist() == [name for name in names for _ in range(2)]
    assert table["n"].tolist() == [3, 4] * 4
    assert table["n_seeds"].tolist() == [3, 2] * 4
    for name in names:
        pairs = [
            agree(maps["a"][s], maps["a"][t], [name], 28)[name]
            for s, t in combinations(range(3), 2)
        ]
        expected = np.mean(pairs, axis=0)
        row = table[(table["metric"] == name) & (table["backbone"] == "a")].iloc[0]
        assert row["mean"] == pytest.approx(np.nanmean(expected))
        assert row["low"] <= row["mean"] <= row["high"]
    known = table.set_index("metric")["stepped_up"].notna()
    assert set(known[known].index) == {"cosine"}


def test_seed_cosines_are_those_of_the_maps():
    maps = simulated(n=3, seeds=2)
    cosines = seed_cosines(maps["a"], maps["b"][..., :7, :7])
    assert cosines.shape == (3, 2, 2)
    for s in range(2):
        for t in range(2):
            expected = agree(maps["a"][s], maps["b"][t][:, :7, :7])["cosine"]
            np.testing.assert_allclose(cosines[:, s, t], expected, atol=1e-12)


def test_means_over_seeds_are_those_of_every_pair_of_seeds(monkeypatch):
    monkeypatch.setattr("aisthesis.agreement.seeds.IMAGES_AT_ONCE", 3)
    maps = simulated(n=8, seeds=3)
    maps["b"] = maps["b"][:2, ..., :5, :9]
    maps["b"][1, 5] = np.inf
    found = single_seed_cosines(maps)
    assert found.pairs == [("a", "b")]
    # Seeds 0 and 1 are of both backbones: 0 meets 1, 1 meets 0, and 2 meets both.
    other = ~np.eye(3, 2, dtype=bool)
    np.testing.assert_allclose(
        found.between[:, 0], seed_cosines(maps["a"], maps["b"])[:, other].mean(axis=1), atol=1e-12
    )
    for column, name in enumerate("ab"):
        own = seed_cosines(maps[name], maps[name])
        upper = np.triu_indices(own.shape[1], k=1)
        np.testing.assert_allclose(
            found.within[:, column], own[:, upper[0], upper[1]].mean(axis=1), atol=1e-12
        )
    assert found.defined.tolist() == [[True, i != 5] for i in range(8)]


def test_what_a_seed_does_to_both_backbones_is_no_agreement():
    """Two layers of one network have one head for each seed, and its whims in common."""
    rng = np.random.default_rng(0)
    whims = rng.normal(size=(3, 200, 14, 14))
    own = [rng.normal(size=(200, 14, 14)) for _ in "ab"]
    row = disattenuated({name: one + whims for name, one in zip("ab", own, strict=True)}).iloc[0]
    assert row["single_seed"] == pytest.approx(0, abs=0.02)
    assert row["disattenuated"] == pytest.approx(0, abs=0.04)


def test_a_single_seed_or_no_reliability_gives_nan():
    single = simulated(n=5, seeds=1)
    assert reliability(single)["mean"].isna().all()
    assert disattenuated(single)["disattenuated"].isna().all()
    opposite = simulated(n=5, seeds=2)
    opposite["a"][1] = -opposite["a"][0]
    row = disattenuated(opposite).iloc[0]
    assert row[["disattenuated", "disattenuated_low", "disattenuated_high"]].isna().all()


def test_a_reliability_that_may_be_nothing_leaves_no_interval():
    maps = simulated(n=12, seeds=2, common=0.0, own=0.25, noise=1.0, side=5, seed=3)
    row = disattenuated(maps, size_px=5).iloc[0]
    cosines = single_seed_cosines(maps, size_px=5).within
    drawn = np.random.default_rng(0).integers(0, 12, size=(2000, 12))
    assert 0.05 < np.mean((cosines[drawn].mean(axis=1) <= 0).any(axis=1)) < 0.95
    assert np.isfinite(row["disattenuated"])
    assert row[["disattenuated_low", "disattenuated_high"]].isna().all()


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
