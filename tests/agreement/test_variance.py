"""Components of variance against sums of squares, and on maps whose components are known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from aisthesis.agreement import (
    chance_level,
    disattenuated,
    reliability,
    seed_cosines,
    single_seed_cosines,
    variance_components,
)
from aisthesis.agreement.variance import COMPONENTS, UNRESOLVED, _shares, run_by_run

SIDE = 12


def simulated(
    n, backbones=3, seeds=2, *, shared=0.0, image=0.0, backbone=0.0, both=0.0, noise=0.0, seed=0
):
    """Maps with known variances; what does not depend on the images is the same in every study."""
    fixed, rng = np.random.default_rng(1), np.random.default_rng(seed)

    def field(rng, *shape):
        maps = rng.normal(size=(*shape, SIDE, SIDE))
        return maps / maps.std(axis=(-2, -1), keepdims=True)

    place = np.sqrt(shared) * field(fixed)
    seen = np.sqrt(image) * field(rng, n)
    return {
        f"b{b}": place
        + np.sqrt(backbone) * field(fixed)
        + seen
        + np.sqrt(both) * field(rng, n)
        + np.sqrt(noise) * field(rng, seeds, n)
        for b in range(backbones)
    }


def shares(table):
    return table.set_index("component")["share"]


def pixels(maps, size_px):
    large = torch.nn.functional.interpolate(
        torch.from_numpy(maps), size=(size_px, size_px), mode="bilinear", align_corners=False
    ).numpy()
    centred = large - large.mean(axis=(-2, -1), keepdims=True)
    return (centred / centred.std(axis=(-2, -1), keepdims=True)).reshape(*maps.shape[:2], -1)


def expected_mean_squares(maps, size_px):
    """Analysis of variance of z (seed, image, backbone, pixel) with crossed random effects."""
    z = np.stack([pixels(one, size_px) for one in maps.values()], axis=2)
    P = z.shape[-1]
    axes = {"s": 0, "i": 1, "b": 2}
    levels = {name: z.shape[axis] for name, axis in axes.items()}

    def marginal(of):
        rest = tuple(axis for name, axis in axes.items() if name not in of)
        return z.mean(axis=rest, keepdims=True)

    effects, mean_square = {"": marginal("")}, {}
    for of in ("s", "i", "b", "si", "sb", "ib", "sib"):
        inner = [known for known in effects if set(known) < set(of)]
        effects[of] = marginal(of) - sum(effects[known] for known in inner)
        freedom = np.prod([levels[name] - 1 for name in of])
        times = z[..., 0].size / np.prod([levels[name] for name in of])
        mean_square[of] = times * np.square(effects[of]).sum() / P / freedom
    m, (S, N, B) = mean_square, z.shape[:3]
    both, with_image, with_backbone = (
        (m["ib"] - m["sib"]) / S,
        (m["si"] - m["sib"]) / B,
        (m["sb"] - m["sib"]) / N,
    )
    image = (m["i"] - m["ib"] - m["si"] + m["sib"]) / (B * S)
    backbone = (m["b"] - m["ib"] - m["sb"] + m["sib"]) / (N * S)
    alone = (m["s"] - m["si"] - m["sb"] + m["sib"]) / (N * B)
    seed = alone + with_image + with_backbone + m["sib"]
    error = image / N + backbone / B + both / (N * B)
    error += alone / S + with_image / (S * N) + with_backbone / (S * B) + m["sib"] / (S * N * B)
    return [np.square(effects[""]).mean() - error, image, backbone, both, seed]


def test_shares_are_those_of_the_expected_mean_squares():
    maps = simulated(9, 3, 4, shared=0.3, image=0.3, backbone=0.3, both=0.3, noise=0.3)
    maps["b1"] = maps["b1"][..., :7, :8]
    maps["b2"][1] += 0.7 * maps["b0"][0, 0]  # one seed leans the same way on every image
    for name in ("b0", "b2"):  # and another the same way in two backbones
        maps[name][3] += 0.5 * maps["b2"][0, 1]
    table = variance_components(maps, size_px=30, n_boot=10)
    assert table["component"].tolist() == list(COMPONENTS)
    np.testing.assert_allclose(table["share"], expected_mean_squares(maps, 30), atol=1e-10)
    assert table["share"].sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "known",
    [
        {"shared": 0.5, "noise": 0.5},
        {"image": 0.6, "noise": 0.4},
        {"backbone": 0.5, "both": 0.5},
        {"shared": 0.1, "image": 0.2, "backbone": 0.2, "both": 0.2, "noise": 0.3},
    ],
    ids=lambda known: "-".join(known),
)
def test_known_components_are_found(known):
    maps = simulated(200, 4, 3, **known)
    found = shares(variance_components(maps, size_px=SIDE, n_boot=10))
    # Maps drawn apart are not quite orthogonal: their cosine has an SD of 1 / SIDE.
    truth = [known.get(name, 0) for name in ("shared", "image", "backbone", "both", "noise")]
    np.testing.assert_allclose(found[list(COMPONENTS)], truth, atol=0.06)


def test_components_are_what_the_other_statistics_say():
    maps = simulated(30, 3, 2, shared=0.2, image=0.3, both=0.2, noise=0.3)
    found = shares(variance_components(maps, n_boot=10))
    within = reliability(maps, n_boot=10)["mean"].mean()
    between = disattenuated(maps, n_boot=10)["single_seed"].mean()
    chance = np.mean(
        [
            chance_level({"a": maps[a][s], "b": maps[b][t]}, n_permutations=1)["chance"][0]
            for a, b in (("b0", "b1"), ("b0", "b2"), ("b1", "b2"))
            for s, t in ((0, 1), (1, 0))
        ]
    )
    assert found["seed"] == pytest.approx(1 - within)
    assert found["shared"] == pytest.approx(chance)
    assert found["image"] == pytest.approx(between - chance)


def test_intervals_cover_as_often_as_they_claim():
    known = {"shared": 0.2, "image": 0.3, "backbone": 0.1, "both": 0.2, "noise": 0.2}
    truth = shares(variance_components(simulated(20_000, **known), size_px=SIDE, n_boot=1))
    studies, hits = 250, np.zeros(len(COMPONENTS))
    for study in range(studies):
        maps = simulated(40, **known, seed=study + 1)
        table = variance_components(maps, size_px=SIDE, n_boot=300, seed=study)
        hits += (table["low"] <= truth.to_numpy()) & (truth.to_numpy() <= table["high"])
    # Four SDs of the share of 250 studies are 5.5 %.
    np.testing.assert_allclose(hits / studies, 0.95, atol=0.055)


def test_a_draw_of_images_is_a_study_of_them():
    """An image drawn twice counts twice, but is never compared with itself as another image."""
    maps = simulated(8, shared=0.2, image=0.4, noise=0.4)
    chosen = np.array([0, 2, 2, 5, 6, 6, 6, 7])
    counts = np.bincount(chosen, minlength=8)
    cosines = single_seed_cosines(maps)
    same = np.stack([cosines.within.mean(axis=1), cosines.between.mean(axis=1)], axis=1)
    found = _shares(maps, np.arange(8), same, [(slice(0, 8), counts[None])], 224)[0]
    others = []
    for i in chosen:
        for j in chosen:
            if i != j:
                for a, b in permutations(("b0", "b1", "b2"), 2):
                    cosines_ab = seed_cosines(maps[a][:, [i]], maps[b][:, [j]])[0]
                    others += [cosines_ab[0, 1], cosines_ab[1, 0]]
    assert found[0] == pytest.approx(np.mean(others))
    assert found[4] == pytest.approx(1 - same[chosen, 0].mean())


def test_sums_in_batches_are_the_same(monkeypatch):
    maps = simulated(12, image=0.5, noise=0.5)
    whole = variance_components(maps, n_boot=40)
    monkeypatch.setattr("aisthesis.agreement.variance.BYTES_AT_ONCE", 30_000)
    monkeypatch.setattr("aisthesis.agreement.seeds.IMAGES_AT_ONCE", 5)
    parts = variance_components(maps, n_boot=40)
    np.testing.assert_allclose(
        parts.drop(columns="component"), whole.drop(columns="component"), atol=1e-12
    )


def test_what_cannot_be_told_apart_is_undefined():
    one_seed = variance_components(simulated(10, seeds=1, image=0.5, both=0.5))
    assert one_seed["component"].tolist() == [*COMPONENTS, UNRESOLVED]
    known = one_seed.set_index("component")["share"].notna()
    assert known[known].index.tolist() == ["shared", "image", UNRESOLVED]
    found = shares(one_seed)
    assert found["shared"] + found["image"] + found[UNRESOLVED] == pytest.approx(1)
    one_backbone = variance_components(simulated(10, backbones=1, image=0.5, noise=0.5))
    known = one_backbone.set_index("component")[["share", "low", "high"]].notna().all(axis=1)
    assert known[known].index.tolist() == ["seed"]
    one_image = variance_components(simulated(1, image=0.5, noise=0.5))
    assert one_image[["low", "high"]].isna().all().all()
    assert np.isnan(shares(one_image)["image"])


def test_images_with_an_undefined_map_are_left_out():
    maps = simulated(10, image=0.5, noise=0.5)
    maps["b1"][1, 3] = 2.0
    table = variance_components(maps, n_boot=20)
    kept = [0, 1, 2, *range(4, 10)]
    rest = variance_components({name: one[:, kept] for name, one in maps.items()}, n_boot=20)
    assert table["n"].tolist() == [9] * 5
    np.testing.assert_allclose(table["share"], rest["share"], atol=1e-12)
    np.testing.assert_allclose(table["low"], rest["low"], atol=1e-12)
    maps["b0"][:] = np.nan
    nothing = variance_components(maps, n_boot=20)
    assert nothing["share"].isna().all()
    assert nothing["n"].tolist() == [0] * 5


def test_draws_run_by_run_are_draws_of_all(monkeypatch):
    """With replacement: n images in every draw, each with the binomial's mean and variance."""
    monkeypatch.setattr("aisthesis.agreement.variance.COUNTS_AT_ONCE", 8 * 4000 * 7)
    parts = list(run_by_run(30, 4000, np.random.default_rng(0)))
    assert [part.start for part, _ in parts] == [0, 7, 14, 21, 28]
    counts = np.concatenate([own for _, own in parts], axis=1)
    assert (counts.sum(axis=1) == 30).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.08)
    assert counts.var(axis=0) == pytest.approx(29 / 30, abs=0.15)
    covariance = np.cov(counts[:, 3], counts[:, 25])[0, 1]  # of two runs
    assert covariance == pytest.approx(-1 / 30, abs=0.05)


def test_many_images_have_the_intervals_of_few(monkeypatch):
    maps = simulated(40, shared=0.3, image=0.3, both=0.2, noise=0.2)
    few = variance_components(maps, SIDE, n_boot=400)
    monkeypatch.setattr("aisthesis.agreement.variance.MOST_IN_ONE_DRAW", 10)
    many = variance_components(maps, SIDE, n_boot=400)
    np.testing.assert_allclose(many["share"], few["share"])
    np.testing.assert_allclose(many[["low", "high"]], few[["low", "high"]], atol=0.03)
