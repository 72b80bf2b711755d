"""Clusters of backbones with a known structure, and their support counted another way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform

from aisthesis.agreement import cluster_backbones, pair_values
from aisthesis.errors import RequestError
from aisthesis.stats.bootstrap import resampled_means


def families(n=40, common=1.0, seed=0):
    """Maps of a, b, c, d: a and c share evidence, b and d share other evidence."""
    rng = np.random.default_rng(seed)
    seen = {"ac": rng.normal(size=(n, 7, 7)), "bd": rng.normal(size=(n, 7, 7))}
    return {
        name: common * next(maps for who, maps in seen.items() if name in who)
        + rng.normal(size=(n, 7, 7))
        for name in "abcd"
    }


@pytest.mark.parametrize("name", ["cosine", "mse", "ssim"])
def test_known_families_are_found_and_trusted(name):
    table = cluster_backbones(pair_values(families(), [name], size_px=14), n_boot=200)
    assert table["step"].tolist() == [1, 2, 3]
    assert {"a|c", "b|d"} == set(table["members"][:2])
    last = table.iloc[2]
    assert (last["left"], last["right"], last["members"]) == ("a|c", "b|d", "a|b|c|d")
    assert table["support"].tolist() == [1.0, 1.0, 1.0]
    assert table["distance"].is_monotonic_increasing


def test_families_that_are_not_there_are_not_trusted():
    supports = [
        cluster_backbones(
            pair_values(families(n=25, common=0.0, seed=seed), ["cosine"]), n_boot=100
        )["support"][:2]
        for seed in range(20)
    ]
    assert np.mean(supports) < 0.7


def test_distances_are_those_of_scipy():
    values = pair_values(families(common=0.4), ["cosine", "emd"], size_px=14)
    table = cluster_backbones(values, n_boot=1)
    for name in ("cosine", "emd"):
        own = values[values["metric"] == name]
        mean = own.groupby(["backbone_a", "backbone_b"])["value"].mean().to_numpy()
        tree = linkage(1 - mean if name == "cosine" else mean, method="average")
        rows = table[table["metric"] == name]
        np.testing.assert_allclose(rows["distance"], tree[:, 2])
        # The distance at which two backbones join says who is in which cluster.
        joined = squareform(cophenet(tree))
        for row in rows.itertuples():
            members = ["abcd".index(one) for one in row.members.split("|")]
            within = joined[np.ix_(members, members)][np.triu_indices(len(members), 1)]
            assert within.max() == pytest.approx(row.distance)
            assert set(row.left.split("|")) | set(row.right.split("|")) == set(
                row.members.split("|")
            )


def test_support_of_three_backbones_is_how_often_a_pair_is_the_closest():
    maps = {name: maps for name, maps in families(n=15, common=0.35).items() if name != "d"}
    values = pair_values(maps, ["cosine"])
    table = cluster_backbones(values, seed=5, n_boot=500)
    pairs = values.set_index(["backbone_a", "backbone_b", "image"])["value"].sort_index()
    matrix = np.stack([pairs[a, b] for a, b in (("a", "b"), ("a", "c"), ("b", "c"))], axis=1)
    drawn = resampled_means(matrix, 5, 500).argmax(axis=1)
    closest = ["a|b", "a|c", "b|c"].index(table["members"][0])
    assert table["support"][0] == pytest.approx(np.mean(drawn == closest))
    assert 0.3 < table["support"][0] < 1


def test_groups_are_clustered_on_their_own_and_undefined_ones_not_at_all():
    values = pair_values(families(n=6), ["cosine", "mse"])
    both = pd.concat([values.assign(map="ais"), values.assign(map="evidence")])
    broken = (both["map"] == "ais") & (both["backbone_a"] == "a") & (both["backbone_b"] == "b")
    both.loc[broken, "value"] = np.nan
    table = cluster_backbones(both, n_boot=10)
    assert set(table["map"]) == {"evidence"}
    assert set(table["metric"]) == {"cosine", "mse"}
    assert len(table) == 6
    two = cluster_backbones(values[(values["backbone_a"] == "a") & (values["backbone_b"] == "c")])
    assert two["members"].tolist() == ["a|c"] * 2
    assert len(cluster_backbones(values[:0])) == 0


def test_a_missing_pair_or_column_is_named():
    values = pair_values(families(n=4), ["cosine"])
    gone = (values["backbone_a"] == "b") & (values["backbone_b"] == "d")
    with pytest.raises(RequestError, match="that of b and d is missing"):
        cluster_backbones(values[~gone])
    with pytest.raises(RequestError, match="metric is missing"):
        cluster_backbones(values.drop(columns="metric"))


def test_no_draws_leave_the_support_undefined():
    table = cluster_backbones(pair_values(families(n=4), ["cosine"]), n_boot=0)
    assert table["support"].isna().all()
    assert table["distance"].notna().all()
