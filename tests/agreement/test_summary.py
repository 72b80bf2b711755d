"""Summaries against pandas, and the same-side columns on residuals with known sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.agreement import pair_values, same_side, summarise
from aisthesis.errors import RequestError


def long_table(n=30, seed=0):
    rng = np.random.default_rng(seed)
    maps = {name: rng.normal(size=(n, 7, 7)) for name in ("c", "a", "b")}
    maps["a"][:2] = 1.0
    return pair_values(maps, ["mse", "cosine"], size_px=14)


def test_statistics_are_those_of_pandas():
    table = long_table()
    summary = summarise(table)
    statistics = ["mean", "std", "median", "min", "max", "n", "n_undefined", "low", "high"]
    assert list(summary) == ["metric", "backbone_a", "backbone_b", *statistics]
    groups = table.groupby(["metric", "backbone_a", "backbone_b"], sort=False)["value"]
    for name in ("mean", "std", "median", "min", "max"):
        np.testing.assert_allclose(summary[name], groups.agg(name), atol=1e-14)
    assert summary["n"].tolist() == groups.count().tolist()
    assert set(summary["n_undefined"]) == {0, 2}
    assert (summary["low"] < summary["mean"]).all()
    assert (summary["mean"] < summary["high"]).all()
    assert summary["backbone_a"].tolist() == ["c", "c", "a"] * 2


def test_deterministic_and_seeded():
    table = long_table()
    pd.testing.assert_frame_equal(summarise(table), summarise(table), check_exact=True)
    assert (summarise(table, seed=1)["low"] != summarise(table)["low"]).all()


def test_kinds_of_maps_are_kept_apart_and_image_names_are_free():
    table = long_table()
    both = pd.concat([table.assign(map=kind) for kind in ("ais", "evidence")])
    both["image"] = "photo " + both["image"].astype(str)
    both.loc[both["map"] == "evidence", "value"] += 1
    summary = summarise(both[["image", "map", "metric", "backbone_a", "backbone_b", "value"]])
    assert summary["map"].tolist() == ["ais"] * 6 + ["evidence"] * 6
    assert summary["n"].max() == 30
    difference = summary["mean"].to_numpy()[6:] - summary["mean"].to_numpy()[:6]
    np.testing.assert_allclose(difference, 1)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_images_have_no_interval(n):
    table = long_table()
    summary = summarise(table[table["image"].isin([0, 5][: n + 1])])
    row = summary[(summary["backbone_b"] == "a") & (summary["metric"] == "mse")].iloc[0]
    assert row["n"] == n
    assert row["n_undefined"] == 1
    assert row[["std", "low", "high"]].isna().all()
    assert np.isnan(row["mean"]) == (n == 0)


def test_no_images_give_no_rows_but_all_columns():
    table = long_table()
    empty = summarise(table[:0])
    assert len(empty) == 0
    assert list(empty) == list(summarise(table))


def test_a_table_that_is_none_is_refused():
    with pytest.raises(RequestError, match="image and value"):
        summarise(pd.DataFrame({"metric": ["mse"]}))
    table = long_table()
    with pytest.raises(RequestError, match="several"):
        summarise(pd.concat([table, table]))


def test_sides_of_residuals():
    table = same_side({"x": [1.0, -2, 3, np.nan, 0], "y": [2.0, 2, 0.1, 1, 0], "z": [-1.0] * 5})
    assert list(table) == ["image", "backbone_a", "backbone_b", "same_side"]
    xy = table.query("backbone_a == 'x' and backbone_b == 'y'")
    assert xy["same_side"].tolist() == [True, False, True, pd.NA, True]
    assert table["image"].tolist() == sorted(table["image"])
    with pytest.raises(RequestError, match="same images"):
        same_side({"x": [1.0], "y": [1.0, 2.0]})


def test_opposite_residuals_are_told_from_different_evidence():
    rng = np.random.default_rng(0)
    n = 200
    evidence = rng.normal(size=(n, 7, 7))
    residuals = {name: rng.normal(size=n) for name in "ab"}
    maps = {
        name: -np.sign(residual)[:, None, None] * evidence for name, residual in residuals.items()
    }
    sides = same_side(residuals)
    summary = summarise(pair_values(maps, ["cosine"]), sides=sides).iloc[0]
    share = (np.sign(residuals["a"]) == np.sign(residuals["b"])).mean()
    assert summary["same_side_share"] == pytest.approx(share)
    assert summary["same_side_n"] == round(share * n)
    assert summary["same_side_mean"] == pytest.approx(1)
    assert summary["mean"] == pytest.approx(2 * share - 1)
    assert summary["same_side_low"] <= 1 <= summary["same_side_high"] + 1e-12


def test_sides_in_the_other_order_count_and_missing_ones_are_named():
    table = long_table()
    rng = np.random.default_rng(1)
    residuals = {name: rng.normal(size=30) for name in "abc"}
    there = summarise(table, sides=same_side(residuals))
    back = summarise(table, sides=same_side(dict(reversed(residuals.items()))))
    pd.testing.assert_frame_equal(there, back)
    with pytest.raises(RequestError, match="residuals of every backbone"):
        summarise(table, sides=same_side({name: residuals[name] for name in "ab"}))
