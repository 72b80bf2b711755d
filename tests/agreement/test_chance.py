"""Chance levels of simulated maps whose common part is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, kstest, permutation_test

from aisthesis.agreement import MapStack, chance_level, cross_values, metric, pair_values
from aisthesis.errors import RequestError


def simulated(n=60, centre=0.0, common=0.0, seed=0):
    """Maps of shared place (the same in every image), shared evidence and own noise."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(7, 7))
    evidence = rng.normal(size=(n, 7, 7))
    return {name: centre * place + common * evidence + rng.normal(size=(n, 7, 7)) for name in "abc"}


def test_pure_centre_bias_is_all_chance():
    maps = simulated(centre=1.0)
    table = chance_level(maps, n_permutations=999)
    observed = pair_values(maps, ["cosine"]).groupby(["backbone_a", "backbone_b"])["value"].mean()
    np.testing.assert_allclose(table["chance"], observed, atol=0.03)
    assert (table["chance"] > 0.3).all()
    assert (table["p_corrected"] > 0.05).all()


@pytest.mark.parametrize("name", ["cosine", "mse"])
def test_shared_evidence_is_more_than_chance(name):
    table = chance_level(simulated(centre=1.0, common=1.0), [name], n_permutations=999)
    assert table["p"].tolist() == [0.001] * 3
    assert (table["p_corrected"] <= 0.05).all()


def cross_of(maps, name="cosine"):
    a, b = (MapStack.of(maps[one]) for one in "ab")
    return cross_values(a, b, metric(name))


@pytest.mark.parametrize(("name", "alternative"), [("cosine", "greater"), ("mse", "less")])
@pytest.mark.parametrize(("n", "centre", "common"), [(6, 0.0, 0.5), (30, 0.5, 0.1), (30, 0.0, 0.0)])
def test_p_value_and_range_are_those_of_scipy(n, centre, common, name, alternative):
    maps = simulated(n=n, centre=centre, common=common, seed=4)
    row = chance_level({one: maps[one] for one in "ab"}, [name], n_permutations=9999).iloc[0]
    cross = cross_of(maps, name)

    def mean_agreement(partner):
        return cross[np.arange(n), partner].mean()

    theirs = permutation_test(
        (np.arange(n),),
        mean_agreement,
        permutation_type="pairings",
        n_resamples=9999,
        alternative=alternative,
        rng=1,
    )
    # All 720 pairings of six images are looked at by both; of thirty, others are drawn.
    exact = 0 if n == 6 else 4 * np.sqrt(theirs.pvalue * (1 - theirs.pvalue) / 9999) + 1e-4
    assert row["p"] == pytest.approx(theirs.pvalue, abs=max(exact * np.sqrt(2), 1e-12))
    low, high = np.quantile(theirs.null_distribution, [0.025, 0.975])
    width = high - low
    assert row["chance_low"] == pytest.approx(low, abs=0.05 * width if n > 6 else 1e-12)
    assert row["chance_high"] == pytest.approx(high, abs=0.05 * width if n > 6 else 1e-12)


def test_the_correction_is_benjamini_and_hochberg_over_pairs_of_each_metric():
    maps = simulated(n=25, common=0.15, seed=3)
    table = chance_level(maps, ["cosine", "emd"], size_px=16, n_permutations=199)
    assert len(table) == 6
    for _, rows in table.groupby("metric"):
        np.testing.assert_allclose(rows["p_corrected"], false_discovery_control(rows["p"]))


@pytest.mark.parametrize("centre", [0.0, 1.0])
def test_p_values_are_uniform_without_shared_evidence(centre):
    """Whether or not a centre bias makes the backbones agree on every image."""
    p = [
        chance_level(simulated(n=15, centre=centre, seed=seed), n_permutations=199)["p"].iloc[0]
        for seed in range(300)
    ]
    # p of random pairings is a multiple of 1/200: a jitter of that width makes it continuous.
    jittered = np.array(p) - np.random.default_rng(0).uniform(0, 1 / 200, len(p))
    assert kstest(jittered, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 300))


@pytest.mark.parametrize("name", ["cosine", "mse", "ssim", "emd", "top10_iou"])
def test_every_map_is_compared_with_every_map(name):
    maps = simulated(n=4)
    maps["a"][2] = 1.0
    a, b = MapStack.of(maps["a"], 32), MapStack.of(maps["b"], 32)
    cross = cross_values(a, b, metric(name))
    for i in range(4):
        for j in range(4):
            alone = metric(name)(
                MapStack.of(maps["a"][[i]], 32), MapStack.of(maps["b"][[j]], 32)
            ).item()
            np.testing.assert_allclose(cross[i, j], alone, atol=1e-6)


def test_chance_leaves_the_own_image_and_undefined_maps_out():
    maps = simulated(n=6, common=3.0)
    maps["a"][1] = 0.0
    table = chance_level({name: maps[name] for name in "ab"}, n_permutations=99)
    kept = np.array([0, 2, 3, 4, 5])
    cross = cross_values(
        MapStack.of(maps["a"][kept]), MapStack.of(maps["b"][kept]), metric("cosine")
    )
    assert table["chance_n"].tolist() == [5]
    assert table["chance"][0] == pytest.approx(cross[~np.eye(5, dtype=bool)].mean())


def test_many_images_are_sampled_and_seeded():
    maps = simulated(n=40)
    first, second = (chance_level(maps, max_images=15, n_permutations=99) for _ in range(2))
    assert (first["chance_n"] == 15).all()
    assert first.equals(second)


def test_too_few_images_have_no_chance_level():
    table = chance_level({name: one[:1] for name, one in simulated().items()})
    assert table[["chance", "p", "p_corrected"]].isna().all().all()
    with pytest.raises(RequestError, match="same images"):
        chance_level({"a": np.zeros((2, 7, 7)), "b": np.zeros((3, 7, 7))})
    with pytest.raises(RequestError, match="max_images=1"):
        chance_level(simulated(), max_images=1)
