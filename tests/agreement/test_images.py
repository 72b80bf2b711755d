"""Images ranked by consensus, controversy, and agreement on the rating but not on the evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.agreement import consensus, pair_values, same_rating_other_evidence
from aisthesis.errors import RequestError


def test_mean_and_sd_over_pairs():
    rng = np.random.default_rng(0)
    maps = {name: rng.normal(size=(9, 7, 7)) for name in "abcd"}
    maps["a"][4] = 0.0
    for name in "bcd":
        maps[name][6] = 1.0
    values = pair_values(maps, ["mse", "cosine"])
    table = consensus(values)
    assert list(table) == ["image", "metric", "consensus", "controversy", "n_pairs"]
    assert table["image"].tolist() == sorted([*range(9)] * 2)
    assert table["metric"].tolist() == ["mse", "cosine"] * 9
    for row in table.itertuples():
        own = values[(values["image"] == row.image) & (values["metric"] == row.metric)]["value"]
        own = own.dropna()
        assert row.n_pairs == len(own) == {4: 3, 6: 0}.get(row.image, 6)
        np.testing.assert_allclose(row.consensus, own.mean())
        np.testing.assert_allclose(row.controversy, own.std())


def test_a_known_image_is_the_controversial_one():
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(20, 7, 7))
    maps = {name: seen + 0.1 * rng.normal(size=(20, 7, 7)) for name in "abcd"}
    maps["d"][13] *= -1  # one backbone sees the opposite
    table = consensus(pair_values(maps, ["cosine"])).set_index("image")
    assert table["controversy"].idxmax() == 13
    assert table["consensus"].idxmin() == 13
    assert table.loc[13, "consensus"] == pytest.approx(0, abs=0.03)  # three pairs at 1, three at -1


def test_one_pair_has_no_controversy_and_no_pairs_no_rows():
    rng = np.random.default_rng(2)
    values = pair_values({name: rng.normal(size=(3, 7, 7)) for name in "ab"}, ["cosine"])
    table = consensus(values)
    np.testing.assert_allclose(table["consensus"], values["value"])
    assert table["controversy"].isna().all()
    assert len(consensus(values[:0])) == 0


@pytest.mark.parametrize(("metric", "sign"), [("cosine", 1.0), ("mse", -1.0)])
def test_score_is_the_smaller_of_the_two_shares(metric, sign):
    rng = np.random.default_rng(3)
    agreement, differ = rng.integers(0, 12, 50) / 10, rng.integers(0, 12, 50) / 10
    agreement[7] = differ[9] = np.nan
    table = pd.DataFrame({"metric": metric, "consensus": sign * agreement, "prediction_sd": differ})
    scores = same_rating_other_evidence(table.sample(frac=1, random_state=0))
    scores = pd.Series(scores, table.sample(frac=1, random_state=0).index).sort_index()
    known = np.isfinite(agreement) & np.isfinite(differ)
    for i in range(50):
        if not known[i]:
            assert np.isnan(scores[i])
            continue
        shares = np.mean(differ[known] >= differ[i]), np.mean(agreement[known] >= agreement[i])
        assert scores[i] == pytest.approx(min(shares))


def test_the_image_that_was_made_so_has_the_highest_score():
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {
            "map": np.repeat(["ais", "evidence"], 60),
            "metric": "cosine",
            "consensus": rng.uniform(0.2, 0.9, 120),
            "prediction_sd": np.tile(rng.uniform(1, 9, 60), 2),
        }
    )
    table.loc[17, ["consensus", "prediction_sd"]] = -0.5, 0.1
    table.loc[60 + 17, "prediction_sd"] = 0.1
    scores = same_rating_other_evidence(table)
    assert np.argmax(scores[:60]) == 17
    assert scores[17] == 1
    unrelated = np.mean(scores[60:] >= 0.5)
    assert unrelated == pytest.approx(0.25, abs=0.15)


def test_missing_columns_are_named():
    with pytest.raises(RequestError, match="prediction_sd is missing"):
        same_rating_other_evidence(pd.DataFrame({"metric": ["cosine"], "consensus": [0.0]}))
