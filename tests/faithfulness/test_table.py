from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from aisthesis.ablation.plan import ablation_plan
from aisthesis.errors import RequestError
from aisthesis.faithfulness import (
    FAITHFULNESS_COLUMNS,
    FAITHFULNESS_MEASURES,
    channel_curves,
    channel_table,
    faithfulness_table,
    method_differences,
    tidy_measure,
)
from aisthesis.stats.differences import corrected_over_networks

OPTIONS: dict[str, Any] = {"cell_px": 2, "n_steps": 9, "baselines": ["mean"], "n_boot": 300}


def table(known: Any, maps: dict[str, np.ndarray], **options: Any) -> Any:
    return faithfulness_table(known.model, known.images, maps, **(OPTIONS | options))


def test_the_truth_beats_both_controls_in_every_measure(many_known: Any) -> None:
    found = table(many_known, {"truth": many_known.truth})
    assert list(found.columns) == list(FAITHFULNESS_COLUMNS)
    truth = found[found["method"] == "truth"]
    assert set(truth["control"]) == {"random", "centre"}
    assert not truth.duplicated(["measure", "control"]).any()
    for row in truth.itertuples():
        sign = 1 if FAITHFULNESS_MEASURES[row.measure].direction == "higher" else -1
        limit = row.difference_low if sign > 0 else row.difference_high
        assert sign * limit > 0, (row.measure, row.control)
        control = found[(found["method"] == row.control) & (found["measure"] == row.measure)]
        assert row.difference == pytest.approx(row.mean - float(control["mean"].iloc[0]))
        assert row.low <= row.mean <= row.high
        assert (row.n, row.n_undefined) == (24, 0)


def test_a_random_map_is_level_with_the_random_control(known: Any) -> None:
    """Of independent random methods, few intervals of the difference leave zero out."""
    rng = np.random.default_rng(11)
    maps = {f"noise {i}": rng.normal(size=(6, 6, 6)) for i in range(30)}
    found = table(known, maps, n_random=30)
    noise = found[found["method"].str.startswith("noise") & (found["control"] == "random")]
    means = noise.groupby("measure")["difference"].agg(["mean", "std"])
    assert len(means) == 7
    assert (means["mean"].abs() < 4 * np.sqrt(2) * means["std"] / np.sqrt(30)).all()


def test_random_scores_of_channels_are_level_with_random_channels(known: Any) -> None:
    """Of independent random rankings too, for every measure of channels."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 12, 3), nn.Flatten(), nn.Linear(1200, 1), nn.Flatten(0))
    images = known.images.float()
    plan = ablation_plan(network.eval(), "0", images)
    rng = np.random.default_rng(5)
    scores = {f"noise {i}": rng.normal(size=(6, 12)) for i in range(30)}
    curves = channel_curves(plan, images, scores)
    found = channel_table(curves, rating=np.zeros(6), n_boot=100)
    noise = found[found["method"].str.startswith("noise") & (found["control"] == "random")]
    means = noise.groupby("measure")["difference"].agg(["mean", "std"])
    assert set(means.index) == {name for name in FAITHFULNESS_MEASURES if "channels" in name}
    assert (means["std"] > 0).all()
    assert (means["mean"].abs() < 4 * np.sqrt(2) * means["std"] / np.sqrt(30)).all()


def test_differences_are_corrected_over_methods_and_networks():
    """Where no method differs from random maps, few studies of four networks name one."""
    studies, found = 60, {"single": 0, "corrected": 0}
    for study in range(studies):
        rng = np.random.default_rng([5, study])
        image = rng.normal(size=25)
        tables = [
            tidy_measure(
                {name: image + rng.normal(size=25) for name in [*"abcdefgh", "random", "centre"]},
                "road", "blur", n_boot=400, seed=study,
            ).assign(backbone=network)
            for network in "wxyz"
        ]  # fmt: skip
        table = pd.concat(tables, ignore_index=True)
        here = corrected_over_networks(
            table, "difference_p_corrected", ("measure", "baseline", "control")
        )
        here = here[here["control"] == "random"]
        found["single"] += ((here["difference_low"] > 0) | (here["difference_high"] < 0)).any()
        found["corrected"] += (here["difference_p_corrected"] < 0.05).any()
        known = here["difference_p_corrected"] < 1
        own = table.loc[here.index[known], "difference_p_corrected"]
        np.testing.assert_allclose(here.loc[known, "difference_p_corrected"], 4 * own)
    assert found["single"] > 0.5 * studies
    assert found["corrected"] <= 8  # of .05, four SDs above


def test_what_is_clear_stays_clear_once_corrected():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(3, 30))
    values = {"good": noise[0] + 2, "bad": noise[0] - 2, "none": noise[1], "random": noise[2]}
    rows = tidy_measure(values, "road", "blur", ["random"], n_boot=500).set_index("method")
    p = rows["difference_p_corrected"]
    assert p["good"] < 0.01 > p["bad"]
    assert p["none"] > 0.05
    assert np.isnan(p["random"])


def test_controls_have_one_row_and_no_difference(known: Any) -> None:
    found = table(known, {"truth": known.truth}, n_squares=0)
    for control in ("random", "centre"):
        rows = found[found["method"] == control]
        assert rows["control"].eq("none").all()
        assert rows["difference"].isna().all()
        assert not rows.duplicated("measure").any()
    assert "infidelity" not in set(found["measure"])


def test_given_controls_take_the_place_of_the_added_ones(known: Any) -> None:
    given = {"truth": known.truth, "random": known.truth, "centre": -known.truth}
    found = table(known, given, unsigned=())
    against = found[(found["method"] == "truth") & (found["control"] == "random")]
    np.testing.assert_allclose(against["difference"], 0, atol=1e-9)


def test_every_baseline_has_its_rows_and_the_unit_divides(known: Any) -> None:
    one = table(known, {"t": known.truth}, baselines=["blur", "noisy_linear"], n_steps=4)
    two = table(known, {"t": known.truth}, baselines=["blur", "noisy_linear"], n_steps=4, unit=2.0)
    assert set(one["baseline"]) == {"blur", "noisy_linear"}
    changes = one["measure"] != "infidelity"
    np.testing.assert_allclose(one.loc[changes, "mean"], 2 * two.loc[changes, "mean"])
    np.testing.assert_allclose(one.loc[~changes, "mean"], two.loc[~changes, "mean"])


def test_progress_counts_every_image_of_every_pass(known: Any) -> None:
    counted: list[int] = []
    table(known, {"t": known.truth}, baselines=["blur", "mean"], advance=counted.append)
    assert sum(counted) == 6 * 2 * 2


def test_tidy_measure_pairs_images_where_both_are_defined() -> None:
    values = {
        "a": np.array([1.0, 2.0, np.nan, 4.0]),
        "random": np.array([0.0, np.nan, 1.0, 1.0]),
    }
    found = tidy_measure(values, "road", "blur", n_boot=200)
    row = found[found["method"] == "a"].iloc[0]
    assert (row["mean"], row["n"], row["n_undefined"]) == (pytest.approx(7 / 3), 3, 1)
    assert row["difference"] == pytest.approx(2.0)  # of images 0 and 3
    without = tidy_measure({"a": values["a"]}, "road", "blur", n_boot=200)
    assert without["control"].tolist() == ["none"]


def test_methods_are_compared_pair_by_pair_on_the_same_images_and_corrected() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=30)
    values = {
        "good": 1.0 + 3 * noise,
        "same": 1.0 + 3 * noise + rng.normal(0, 0.1, 30),
        "worse": 0.8 + 3 * noise + rng.normal(0, 0.1, 30),
        "random": rng.normal(0, 0.1, 30),
        "centre": np.zeros(30),
    }
    values["same"][0] = np.nan
    found = method_differences({("road", "blur"): values}, n_boot=500)
    pairs = found.set_index(["first", "second"])
    assert len(pairs) == 6  # the centre is not compared
    assert (found["n"] == [29, 30, 30, 29, 29, 30]).all()
    # Each alone is uncertain to +- 1; between the two, image by image, .2 is clear.
    assert pairs.loc[("good", "worse"), "low_corrected"] > 0
    assert pairs.loc[("good", "worse"), "p_corrected"] < 0.05
    assert pairs.loc[("good", "same"), "low_corrected"] < 0 < pairs.loc[("good", "same"), "high"]
    wider = (found["low_corrected"] <= found["low"]) & (found["high_corrected"] >= found["high"])
    assert wider.all()
    assert method_differences({("road", "blur"): {"good": noise}}).empty


def test_undefined_everywhere_is_nan_and_counted(known: Any) -> None:
    found = table(known, {"flat": np.ones((6, 3, 3))})
    flat = found[found["method"] == "flat"]
    assert flat[["mean", "low", "high", "difference"]].isna().all(axis=None)
    assert flat["n_undefined"].eq(6).all()


def test_every_measure_in_the_tables_is_described(known: Any) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(400, 1), nn.Flatten(0))
    images = known.images.float()
    plan = ablation_plan(network.eval(), "0", images)
    scores = {"e": np.random.default_rng(0).normal(size=(6, 4))}
    channels = channel_table(channel_curves(plan, images, scores), rating=np.zeros(6), n_boot=100)
    assert list(channels.columns) == list(FAITHFULNESS_COLUMNS)
    assert set(channels.loc[channels["method"] == "e", "control"]) == {"random", "activation"}
    maps = table(known, {"t": known.truth})
    told = set(maps["measure"]) | set(channels["measure"]) | {"sensitivity"}
    assert told == set(FAITHFULNESS_MEASURES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"maps": {}}, "at least one method's maps"),
        ({"baselines": []}, "and one baseline"),
        ({"baselines": ["grey"]}, "expected a baseline"),
        ({"n_random": 0}, "at least 1 random map"),
    ],
)
def test_unfit_requests_are_refused(known: Any, change: dict[str, Any], words: str) -> None:
    request: dict[str, Any] = OPTIONS | {"maps": {"t": known.truth}} | change
    with pytest.raises(RequestError, match=words):
        faithfulness_table(known.model, known.images, **request)
