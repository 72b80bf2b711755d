from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from aisthesis.judgments.ratings.noise_ceiling import noise_ceiling


def long_table(scores: np.ndarray) -> pd.DataFrame:
    """(image, rater) scores, NaN where not rated, as a long table."""
    rows = [
        (f"i{i:04}", f"r{r:03}", scores[i, r])
        for i, r in itertools.product(*map(range, scores.shape))
        if np.isfinite(scores[i, r])
    ]
    return pd.DataFrame(rows, columns=["image", "rater", "rating"])


def simulated(n_images, n_raters, noise_sd, seed, rater_sd=0.0):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n_images, 1))
    leniency = rater_sd * rng.normal(size=(1, n_raters))
    return true + leniency + noise_sd * rng.normal(size=(n_images, n_raters)), true[:, 0]


def icc_1_k(scores: np.ndarray) -> float:
    """Intraclass correlation of the mean of k raters, one-way random (Shrout & Fleiss 1979)."""
    n, k = scores.shape
    between = k * ((scores.mean(1) - scores.mean()) ** 2).sum() / (n - 1)
    within = ((scores - scores.mean(1, keepdims=True)) ** 2).sum() / (n * (k - 1))
    return (between - within) / between


def cronbach_alpha(scores: np.ndarray) -> float:
    k = scores.shape[1]
    return k / (k - 1) * (1 - scores.var(0, ddof=1).sum() / scores.sum(1).var(ddof=1))


@pytest.mark.parametrize(("n_raters", "noise_sd"), [(2, 1.0), (3, 1.0), (5, 2.0), (20, 2.0)])
def test_reliability_of_simulated_raters_is_the_known_one(n_raters, noise_sd):
    known = 1 / (1 + noise_sd**2 / n_raters)
    scores, true = simulated(2000, n_raters, noise_sd, seed=n_raters)
    ceiling = noise_ceiling(long_table(scores), n_boot=200)
    assert ceiling.reliability == pytest.approx(known, abs=0.03)
    assert ceiling.reliability_low < known < ceiling.reliability_high
    # What the ceiling claims: how the very truth correlates with the mean rating.
    truth = np.corrcoef(true, scores.mean(1))[0, 1]
    assert ceiling.correlation == pytest.approx(truth, abs=0.02)
    assert ceiling.correlation == math.sqrt(ceiling.reliability)
    assert ceiling.r2 == ceiling.reliability
    assert ceiling.method == "raters"


@pytest.mark.parametrize("n_raters", [4, 5, 10])
def test_agrees_with_icc_1_k(n_raters):
    scores, _ = simulated(400, n_raters, 1.5, seed=1)
    ceiling = noise_ceiling(long_table(scores), n_boot=0)
    assert ceiling.reliability == pytest.approx(icc_1_k(scores), abs=0.02)
    assert math.isnan(ceiling.reliability_low)


def test_all_halvings_of_four_raters_by_hand():
    scores, _ = simulated(50, 4, 1.0, seed=2)
    by_hand = np.mean(
        [
            np.corrcoef(scores[:, a].mean(1), scores[:, b].mean(1))[0, 1]
            for a, b in (([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2]))
        ]
    )
    ceiling = noise_ceiling(long_table(scores), n_splits=3000, n_boot=0)
    assert ceiling.reliability == pytest.approx(2 * by_hand / (1 + by_hand), abs=0.003)


def test_leniency_of_raters_who_rated_everything_does_not_count_as_noise():
    # Cronbach's alpha removes it, ICC(1,k) does not.
    scores, _ = simulated(400, 6, 1.0, seed=3, rater_sd=3.0)
    ceiling = noise_ceiling(long_table(scores), n_boot=0)
    assert ceiling.reliability == pytest.approx(cronbach_alpha(scores), abs=0.02)
    assert icc_1_k(scores) < ceiling.reliability - 0.1


def test_different_raters_on_different_images():
    rng = np.random.default_rng(4)
    scores, _ = simulated(3000, 60, 1.5, seed=5)
    for row in scores:  # everybody rates few images: six ratings each
        row[rng.permutation(60)[6:]] = np.nan
    ceiling = noise_ceiling(long_table(scores), n_boot=100)
    assert ceiling.method == "ratings"
    assert ceiling.n_raters == 60
    assert ceiling.reliability == pytest.approx(1 / (1 + 1.5**2 / 6), abs=0.03)


def test_unequal_numbers_of_ratings():
    rng = np.random.default_rng(6)
    scores, true = simulated(4000, 9, 1.5, seed=7)
    for row in scores:
        row[rng.permutation(9)[rng.integers(2, 10) :]] = np.nan
    ceiling = noise_ceiling(long_table(scores), n_boot=0)
    truth = np.corrcoef(true, np.nanmean(scores, axis=1))[0, 1]
    assert ceiling.correlation == pytest.approx(truth, abs=0.015)


def test_does_not_depend_on_row_order_nor_on_the_scale():
    scores, _ = simulated(40, 5, 1.0, seed=8)
    table = long_table(scores)
    first = noise_ceiling(table)
    assert noise_ceiling(table.sample(frac=1, random_state=0)) == first
    rescaled = noise_ceiling(table.assign(rating=table["rating"] * 1e3 - 7))
    assert rescaled.reliability == pytest.approx(first.reliability, rel=1e-9)
    assert noise_ceiling(table, seed=1).reliability != first.reliability


def test_perfect_raters():
    ceiling = noise_ceiling(long_table(np.arange(10.0)[:, None] + np.zeros((10, 4))))
    for value in (ceiling.reliability, ceiling.correlation, ceiling.r2, ceiling.r2_low):
        assert value == pytest.approx(1.0)
    assert ceiling.reason is None


def test_raters_who_contradict_each_other_have_no_ceiling_and_a_reason():
    up = np.arange(12.0) + np.random.default_rng(0).normal(size=12)
    table = long_table(np.stack([up, -0.2 * up + np.sin(np.arange(12) * 9)], axis=1))
    ceiling = noise_ceiling(table)
    assert ceiling.reliability < 0
    assert math.isnan(ceiling.correlation)
    assert math.isnan(ceiling.r2)
    assert math.isnan(ceiling.correlation_low)
    assert "reliability is negative" in ceiling.reason


def test_exact_opposites_are_undefined_with_a_reason():
    up = np.arange(12.0)
    ceiling = noise_ceiling(long_table(np.stack([up, -up], axis=1)))
    assert math.isnan(ceiling.reliability)
    assert "contradict" in ceiling.reason


def test_one_rater_an_image_has_no_ceiling_and_a_reason():
    scores, _ = simulated(20, 1, 1.0, seed=9)
    ceiling = noise_ceiling(long_table(scores))
    assert math.isnan(ceiling.reliability)
    assert math.isnan(ceiling.correlation)
    assert ceiling.n_excluded == 20
    assert ceiling.reason.startswith("0 of 20 images have at least two raters")


def test_images_with_one_rater_are_left_out_and_counted():
    scores, _ = simulated(30, 4, 1.0, seed=10)
    alone = np.full((5, 4), np.nan)
    alone[:, 0] = 99.0
    without = noise_ceiling(long_table(scores))
    together = noise_ceiling(long_table(np.vstack([scores, alone])))
    assert (together.n_images, together.n_excluded) == (30, 5)
    assert together.method == "raters"
    assert together.reliability == without.reliability


def test_ratings_that_do_not_vary_are_undefined_with_a_reason():
    ceiling = noise_ceiling(long_table(np.full((10, 4), 0.1)))
    assert math.isnan(ceiling.reliability)
    assert ceiling.n_undefined == ceiling.n_splits
    assert "do not vary" in ceiling.reason


def test_halves_without_variation_are_counted():
    # One of two raters gives everybody the same: no halving of these two has a correlation;
    # with a third rater only those halvings have one that leave the constant rater out.
    rng = np.random.default_rng(11)
    scores = rng.normal(size=(20, 1)) + 0.1 * rng.normal(size=(20, 3))
    scores[:, 0] = 3.0
    ceiling = noise_ceiling(long_table(scores))
    assert 0 < ceiling.n_undefined < ceiling.n_splits
    assert np.isfinite(ceiling.reliability)


def test_many_raters_of_few_images_each_stay_within_memory():
    # A table of images × raters would hold 10^9 numbers.
    n = 20_000
    table = pd.DataFrame(
        {
            "image": [f"i{i // 2}" for i in range(n)],
            "rater": [f"r{i}" for i in range(n)],
            "rating": np.random.default_rng(0).normal(size=n),
        }
    )
    ceiling = noise_ceiling(table, n_splits=10, n_boot=10)
    assert ceiling.n_raters == n
    assert ceiling.reliability == pytest.approx(0.0, abs=0.05)


def test_as_dict_holds_every_field():
    ceiling = noise_ceiling(long_table(simulated(20, 4, 1.0, seed=12)[0]))
    assert ceiling.as_dict()["method"] == "raters"
    assert type(ceiling)(**ceiling.as_dict()) == ceiling
