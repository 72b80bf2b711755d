"""Chance levels of simulated maps whose common part is known."""

from __future__ import annotations

import numpy as np
import pytest

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
    assert (table["p_adjusted"] > 0.05).all()


@pytest.mark.parametrize("name", ["cosine", "mse"])
def test_shared_evidence_is_more_than_chance(name):
    table = chance_level(simulated(centre=1.0, common=1.0), [name], n_permutations=999)
    assert table["p"].tolist() == [0.001] * 3
    assert (table["p_adjusted"] <= 0.05).all()


def test_p_values_are_uniform_without_agreement():
    p = [
        chance_level(simulated(n=20, seed=seed), n_permutations=99)["p"].iloc[0]
        for seed in range(60)
    ]
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=0.13)
    assert np.mean(p) == pytest.approx(0.5, abs=0.12)


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
    assert table[["chance", "p", "p_adjusted"]].isna().all().all()
    with pytest.raises(RequestError, match="same images"):
        chance_level({"a": np.zeros((2, 7, 7)), "b": np.zeros((3, 7, 7))})
    with pytest.raises(RequestError, match="max_images=1"):
        chance_level(simulated(), max_images=1)
