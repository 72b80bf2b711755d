"""AIS maps have the sign of the head's error: chance levels of studies with known sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from aisthesis.agreement import MapStack, chance_level, cross, cross_values, metric
from aisthesis.errors import RequestError
from aisthesis.stats.permutation import Pairings

PLACE = np.random.default_rng(99).normal(size=(6, 6))
PLACE = (PLACE - PLACE.mean()) / PLACE.std()


def signed_study(n, seed, *, bias=0.1, common=0.0, same=0.85, below=0.7):
    """AIS maps of two heads that mostly err on one side, which is below in most images."""
    rng = np.random.default_rng(seed)
    side = np.where(rng.uniform(size=n) < below, -1.0, 1.0)
    sides = {"a": side, "b": side * np.where(rng.uniform(size=n) < same, 1, -1)}
    evidence = rng.normal(size=(n, 6, 6))
    own = np.sqrt(1 - bias - common)
    maps = {
        name: -signs[:, None, None]
        * (np.sqrt(bias) * PLACE + np.sqrt(common) * evidence + own * rng.normal(size=(n, 6, 6)))
        for name, signs in sides.items()
    }
    return maps, sides


def ps(n, studies, metrics=("cosine",), with_sides=True, **known):
    found = []
    for seed in range(studies):
        maps, sides = signed_study(n, seed, **known)
        table = chance_level(
            maps, metrics, 12, n_permutations=99, sides=sides if with_sides else None
        )
        found.append(table["p"])
    return np.array(found)


def test_a_shared_bias_is_not_taken_for_agreement_on_images():
    p = ps(60, 160)[:, 0]
    low, high = binom.ppf([0.0005, 0.9995], len(p), 0.05) / len(p)
    assert low <= np.mean(p <= 0.05) <= high
    # Without the sides nearly every study would find what is not there.
    assert np.mean(ps(60, 20, with_sides=False) <= 0.05) > 0.5


def test_agreement_on_images_is_still_found():
    assert np.mean(ps(60, 20, common=0.1) <= 0.05) > 0.9


def test_chance_is_that_of_the_same_sides_and_strata_are_counted():
    maps, sides = signed_study(30, 3)
    maps["b"][4] = 0.0
    row = chance_level(maps, ["cosine", "ssim"], 12, n_permutations=99, sides=sides).iloc[0]
    cross = cross_values(*(MapStack.of(maps[one], 12) for one in "ab"), metric("cosine"))
    kept = np.delete(np.arange(30), 4)
    stratum = {i: (sides["a"][i], sides["b"][i]) for i in kept}
    partners = {i: [j for j in kept if j != i and stratum[j] == stratum[i]] for i in kept}
    used = [i for i in kept if partners[i]]
    expected = np.mean([np.mean([cross[i, j] for j in partners[i]]) for i in used])
    assert row["chance"] == pytest.approx(expected)
    assert row["chance_n"] == len(used)
    assert row["chance_observed"] == pytest.approx(np.mean([cross[i, i] for i in used]))
    words = {-1.0: "below", 1.0: "above"}
    said = dict(part.rsplit(" ", 1) for part in row["chance_strata"].split("; "))
    counts = {}
    for a, b in stratum.values():
        counts[f"{words[a]}/{words[b]}"] = counts.get(f"{words[a]}/{words[b]}", 0) + 1
    assert {name: int(n) for name, n in said.items()} == counts


def test_images_alone_on_their_sides_have_no_chance_level():
    maps, _ = signed_study(4, 0)
    sides = {"a": [1, 1, -1, -1], "b": [1, -1, 1, -1]}
    row = chance_level(maps, sides=sides).iloc[0]
    assert row["chance_n"] == 0
    assert np.isnan([row["chance"], row["p"], row["p_corrected"]]).all()
    row = chance_level(maps, sides={"a": [1, 1, -1, np.nan], "b": [1, 1, 1, 1]}).iloc[0]
    assert row["chance_n"] == 2
    assert row["chance_strata"] == "below/above 1; above/above 2"


def test_sides_of_every_backbone_and_image_are_wanted():
    maps, sides = signed_study(6, 0)
    with pytest.raises(RequestError, match="that of b is missing"):
        chance_level(maps, sides={"a": sides["a"]})
    with pytest.raises(RequestError, match="each of the 6 images"):
        chance_level(maps, sides={"a": sides["a"], "b": sides["b"][:3]})


def test_pairings_stay_within_strata_and_all_are_listed_where_they_are_few():
    strata = np.array([0, 1, 0, 1, 1])
    partners, every = Pairings(99, seed=0).of(strata)
    assert every
    assert len({tuple(row) for row in partners.tolist()}) == 2 * 6
    assert (strata[partners] == strata).all()
    many = np.random.default_rng(0).integers(0, 3, 40)
    partners, every = Pairings(50, seed=0).of(many)
    assert not every
    assert (many[partners] == many).all()
    assert (np.sort(partners, axis=1) == np.arange(40)).all()


def test_pairings_made_once_for_several_calls_are_those_of_each():
    maps, sides = signed_study(14, 3)
    options = {"size_px": 8, "n_permutations": 60, "seed": 4, "sides": sides}
    pairings = Pairings(60, seed=4)
    for metrics in (["cosine"], ["mse"]):
        shared = chance_level(maps, metrics, pairings=pairings, **options)
        pd.testing.assert_frame_equal(shared, chance_level(maps, metrics, **options))
    assert len(pairings._made) == 1


def test_what_ssim_needs_of_a_stack_is_derived_once(monkeypatch):
    taken = []
    original = cross._Spread.taken
    monkeypatch.setattr(cross, "SSIM_EXACT", 0)
    monkeypatch.setattr(
        cross._Spread, "taken", lambda self, stack: taken.append(stack) or original(self, stack)
    )
    cross._spread.cache_clear()
    a, b, c = (MapStack.of(np.random.default_rng(k).normal(size=(3, 4, 4)), 30) for k in range(3))
    for first, second in ((a, b), (a, c), (b, c)):
        cross.cross_ssim(first, second)
    assert taken == [a, b, c]


@pytest.mark.parametrize("name", ["ssim", "emd", "spearman", "top10_iou", "ssim_gaussian"])
def test_many_maps_are_compared_as_well_as_few(name, monkeypatch):
    """Windows and parts of many maps are fewer: what is left out hardly changes the values."""
    monkeypatch.setattr("aisthesis.agreement.cross.SSIM_EXACT", 0)
    monkeypatch.setattr("aisthesis.agreement.cross.SSIM_AT_MOST", 0)
    rng = np.random.default_rng(0)
    a, b = (MapStack.of(rng.normal(size=(6, side, side)), 112) for side in (5, 7))
    exact = metric(name)(a, b).numpy()
    every = np.diagonal(cross_values(a, b, metric(name)))
    assert np.abs(every - exact).max() < 0.15 * exact.std() + 1e-6
    assert abs((every - exact).mean()) < 0.05 * exact.std() + 1e-6
