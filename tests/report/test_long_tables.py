"""Tables with rows for every image: names as categories change no number; many dots are sampled."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from aisthesis.report.charts.distribution import distribution, draw_distribution
from aisthesis.report.charts.scatter import draw_panel, scatter_panels
from aisthesis.report.folder.asked import Asked
from aisthesis.report.folder.record import _rows_of
from aisthesis.report.folder.selection import MOST_DOTS, averaged_predictions, image_consensus
from aisthesis.report.folder.short_names import _renamed
from aisthesis.report.parts.yardsticks import yardsticks
from aisthesis.report.sentences.observed_agreement import level_estimates
from aisthesis.report.sentences.observed_pairs import observe_mse_identity
from aisthesis.report.sentences.observed_shape import shape_estimates
from aisthesis.report.sentences.residual_side import observe_residual_side, side_estimates

LABELS = ["vgg19", "vgg16", "a"]
# Not in alphabetical order; so many that codes of all take more than a byte, of some one byte.
NAMES = [f"{k * 7 % 300:03d}.png" for k in range(300)]
KINDS, METRICS = ["evidence_place", "ais_place", "ais"], ["cosine", "ssim", "mse"]
KEYS = ["map", "metric", "backbone_a", "backbone_b"]


def _values(names: list[str], seed: int, n_networks: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        (name, kind, metric, *pair, rng.uniform(-1, 1))
        for kind in KINDS
        for name in names
        for metric in METRICS
        for pair in combinations(LABELS[:n_networks], 2)
    ]
    table = pd.DataFrame(rows, columns=["image", *KEYS, "value"])
    table.loc[rng.random(len(table)) < 0.3, "value"] = np.nan
    table.loc[(table["metric"] == "ssim") & table["image"].isin(names[:40]), "value"] = np.nan
    return table


def _predictions(names: list[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({
            "image": names, "backbone": label, "seed": s,
            "split": np.where(np.arange(len(names)) < 280, "test", "train"),
            "rating": np.linspace(1, 5, len(names)), "prediction": rng.uniform(1, 5, len(names)),
        })
        for label in LABELS
        for s in ("0", "1", "mean")
    ]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    return table[(table["seed"] != "mean") | (table["split"] == "test")].reset_index(drop=True)


def _coded(table: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.astype(dict.fromkeys(texts, "category"))


def _agreement(values: pd.DataFrame) -> pd.DataFrame:
    means = values.groupby(KEYS, sort=False, observed=True)["value"].agg(["mean", "count"])
    return means.reset_index().rename(columns={"count": "n"})


@pytest.mark.parametrize("n_networks", [2, 3])
def test_what_is_said_of_categories_is_what_is_said_of_text(n_networks: int) -> None:
    plain, predictions = _values(NAMES, 0, n_networks), _predictions(NAMES, 0)
    if n_networks == 2:  # and a metric that sentences ask for is not there
        plain = plain[plain["metric"] != "ssim"].reset_index(drop=True)
    coded = _coded(plain)
    averaged, as_codes = (
        averaged_predictions(predictions),
        averaged_predictions(_coded(predictions)),
    )
    pd.testing.assert_frame_equal(
        averaged, as_codes, check_dtype=False, check_categorical=False, check_exact=True
    )
    agreement, empty = _agreement(plain), pd.DataFrame(columns=["map", "metric", "backbone"])
    backbones = {label: {"name": label} for label in LABELS}
    assert repr(level_estimates(agreement, plain)) == repr(level_estimates(agreement, coded))
    assert repr(side_estimates(plain, averaged, 50)) == repr(side_estimates(coded, as_codes, 50))
    assert observe_residual_side(plain, averaged, 50) == observe_residual_side(coded, as_codes, 50)
    assert repr(shape_estimates(plain, backbones)) == repr(shape_estimates(coded, backbones))
    assert observe_mse_identity(agreement, plain) == observe_mse_identity(agreement, coded)
    images = pd.DataFrame(columns=["image", "map", "metric"])
    np.testing.assert_array_equal(
        *(image_consensus(one, images, "ais").to_numpy() for one in (plain, coded))
    )
    chance = agreement.assign(chance=0.1)
    assert repr(distribution(chance, plain, "ais", "cosine")) == repr(
        distribution(chance, coded, "ais", "cosine")
    )
    rulers = [
        yardsticks(chance, one, empty, empty, "ais", "cosine", LABELS) for one in (plain, coded)
    ]
    assert repr(rulers[0]) == repr(rulers[1])


def test_renamed_networks_are_in_the_order_of_their_new_names() -> None:
    short = {"vgg19": "B", "vgg16": "C", "a": "D"}
    plain = _values(NAMES, 0)
    asked = Asked(None, False, False, False, None)
    renamed = _renamed(asked.rows(_coded(plain)), short)
    assert renamed["backbone_b"].tolist() == _renamed(plain, short)["backbone_b"].tolist()
    assert renamed["backbone_b"].cat.categories.tolist() == ["C", "D"]
    assert renamed["image"].tolist() == plain["image"].tolist()


def test_of_many_images_some_have_dots_and_the_numbers_are_of_all() -> None:
    n = MOST_DOTS * 2
    names = [f"{k:05d}.png" for k in range(n)]
    value = np.linspace(-0.9, 0.9, n)
    table = pd.DataFrame({
        "image": names, "map": "ais", "metric": "cosine", "backbone_a": "a", "backbone_b": "b",
        "value": value,
    })  # fmt: skip
    found = distribution(_agreement(table), _coded(table), "ais", "cosine")
    assert found is not None
    assert found.sampled
    (strip,) = found.strips
    assert len(strip.values) == len(found.images) == MOST_DOTS
    assert [found.images[k] for k in strip.images[[0, -1]]] == [names[0], names[-1]]
    assert strip.n == n
    assert strip.quartiles == tuple(np.quantile(value, [0.25, 0.5, 0.75]))
    assert f"all from −0.90 to 0.90; {n:,} images." in strip.words
    assert (
        f"Dots for {MOST_DOTS:,} of {n:,} images; of all images: bar"
        in draw_distribution(found).title[1]
    )
    averaged = pd.DataFrame({
        "image": names, "backbone": "a", "split": "test", "rating": value, "prediction": value,
    })  # fmt: skip
    scores = pd.DataFrame({"split": ["test"], "backbone": ["a"]})
    axis, (panel,) = scatter_panels(_coded(averaged), scores, pd.DataFrame(), ["a"])
    assert len(panel.points) == MOST_DOTS
    assert f"{MOST_DOTS:,} of {n:,} images" in draw_panel(axis, panel).words


def test_predictions_are_read_of_test_and_explained_images_alone() -> None:
    table = _predictions(NAMES, 0)
    kept = _rows_of({NAMES[-1]}, table, split="test")
    assert set(kept["image"]) == {*NAMES[:280], NAMES[-1]}
    assert len(kept) == 3 * (3 * 280 + 2)  # single seeds alone of an image that is no test image
    assert _rows_of({"a"}, table.drop(columns="split"), split="test").shape[0] == len(table)


def test_averaged_predictions_are_those_of_groups() -> None:
    for seed in range(3):
        table = _predictions(NAMES, seed).sample(frac=0.8, random_state=seed)
        table = table.reset_index(drop=True)
        table.loc[table.sample(frac=0.2, random_state=seed).index, ["rating", "prediction"]] = (
            np.nan
        )
        mean = table["seed"] == "mean"
        seen = set(zip(table["image"][mean], table["backbone"][mean], strict=True))
        each = zip(table["image"], table["backbone"], strict=True)
        several = np.array([one not in seen for one in each])
        grouped = table[mean | several].groupby(["image", "backbone"], sort=False, as_index=False)
        plain = grouped.agg(
            split=("split", "first"), rating=("rating", "first"), prediction=("prediction", "mean")
        )
        pd.testing.assert_frame_equal(averaged_predictions(table), plain, check_exact=True)
    assert averaged_predictions(table.iloc[:0]).empty
