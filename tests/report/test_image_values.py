"""Values laid out image by image are those of a pivot of the table."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from aisthesis.report.folder.image_values import PAIR, paired_values, values_by_image
from aisthesis.stats.means import mean_of_defined

NAMES = [f"{k * 7 % 40:02d}.png" for k in range(40)]


def _table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        [
            (name, kind, metric, *pair, rng.normal())
            for kind in ("ais", "evidence")
            for name in NAMES
            for metric in ("cosine", "mse")
            for pair in (("z", "b"), ("a", "z"), ("a", "b"))
        ],
        columns=["image", "map", "metric", *PAIR, "value"],
    )
    table.loc[rng.random(len(table)) < 0.4, "value"] = np.nan
    gone = (table["map"] == "ais") & (table["metric"] == "mse") & (table["backbone_a"] == "z")
    return table[~gone].sample(frac=0.9, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("as_categories", [False, True])
def test_values_are_those_of_a_pivot(as_categories: bool) -> None:
    for seed in range(5):
        table = _table(seed)
        given = table
        if as_categories:
            names = ["image", "map", "metric", *PAIR]
            given = table.astype(dict.fromkeys(names, "category"))
        wide = {}
        for kind in ("ais", "evidence"):
            for metric in ("cosine", "mse"):
                rows = table[(table["map"] == kind) & (table["metric"] == metric)]
                one = rows.pivot_table(index="image", columns=PAIR, values="value")
                wide[kind, metric] = one = one.reindex(sorted(set(table["image"])))
                pairs, values = values_by_image(given, kind, metric)
                assert pairs == [tuple(pair) for pair in one.columns]
                np.testing.assert_array_equal(values, one.to_numpy())
                mean = one.mean(axis=1).to_numpy()
                np.testing.assert_allclose(mean_of_defined(values, axis=1), mean, rtol=1e-14)
        pairs, mse, cosine = paired_values(given, ("ais", "mse"), ("ais", "cosine"))
        assert pairs == [("a", "b"), ("a", "z")]
        np.testing.assert_array_equal(mse, wide["ais", "mse"].to_numpy())
        np.testing.assert_array_equal(cosine, wide["ais", "cosine"][pairs].to_numpy())


def test_nothing_of_a_kind_is_no_pair() -> None:
    pairs, values = values_by_image(_table(0), "none", "cosine")
    assert (pairs, values.shape) == ([], (len(NAMES), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(mean_of_defined(values, axis=1)).all()
    empty = pd.DataFrame(columns=["image", "map", "metric", *PAIR, "value"])
    assert values_by_image(empty, None, "cosine")[1].shape == (0, 0)
