"""Numbers in words, tables in cells, warnings that apply."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.report.cautions import cautions
from aisthesis.report.known_places import draw_known_places, known_places
from aisthesis.report.methods import methods_text, references
from aisthesis.report.selection import averaged_predictions, evaluated_split, headline_scores
from aisthesis.report.tables import any_table, network_rows, split_rows
from aisthesis.report.wording import and_list, count, estimate, number, percent

EMPTY = pd.DataFrame()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.125, "0.12"), (-0.5, "−0.50"), (-0.001, "0.00"), (float("nan"), "undefined"),
     (float("inf"), "undefined")],
)  # fmt: skip
def test_numbers_have_a_real_minus_and_no_negative_zero(value, text):
    assert number(value) == text


def test_lists_counts_and_intervals():
    assert and_list(["a"]) == "a"
    assert and_list(["a", "b", "c"]) == "a, b and c"
    assert and_list(list("abcdef"), most=3) == "a, b, c and 3 more"
    assert count(1, "image") == "1 image"
    assert count(1200, "image") == "1,200 images"
    assert percent(0.825) == "82%"
    assert estimate(0.5, float("nan"), 1) == "0.50 (no interval)"


def test_headline_scores_fall_back_to_the_first_seed():
    scores = pd.DataFrame({
        "backbone": ["a", "a", "b"], "head": "mlp", "seed": ["1", "mean", "0"],
        "split": "test", "n": 3, "srcc": [0.1, 0.2, 0.3]})  # fmt: skip
    found = headline_scores(scores)
    assert found["srcc"].tolist() == [0.2, 0.3]
    assert evaluated_split(scores.assign(split="validation")) == "validation"


def test_predictions_are_averaged_where_no_mean_is_stored():
    rows = pd.DataFrame({"image": ["x", "x"], "backbone": "a", "seed": ["0", "1"],
                         "split": "test", "rating": 5.0, "prediction": [1.0, 3.0]})  # fmt: skip
    assert averaged_predictions(rows)["prediction"].tolist() == [2.0]
    mean = rows.iloc[:1].assign(seed="mean", prediction=7.0)
    assert averaged_predictions(pd.concat([rows, mean]))["prediction"].tolist() == [7.0]


def test_unknown_tables_fold_their_intervals():
    table = pd.DataFrame({"map": ["ais", None], "auc": [0.5, np.nan], "auc_low": [0.4, np.nan],
                          "auc_high": [0.6, np.nan], "n": [3, 4]})  # fmt: skip
    header, rows = any_table(table)
    assert header == ["map", "auc", "n"]
    assert (rows[0][1].text, rows[0][1].interval) == ("0.500", "0.400 to 0.600")
    assert [cell.text for cell in rows[1]] == ["–", "–", "4"]


def titles(provenance, agreement=EMPTY, unreadable=None):
    found = cautions(provenance, agreement, unreadable or {})
    return [(caution.level, caution.title) for caution in found]


def test_a_clean_study_has_no_warning():
    clean = {"backbones": {"a": {"weights": {"kind": "official"}, "flat_maps": {"ais": 0}}}}
    assert titles(clean) == []


def test_every_warning_that_applies_is_given_serious_ones_first():
    provenance = {
        "backbones": {"a": {"weights": {"kind": "random"}, "flat_maps": {"ais": 2}},
                      "b": {"weights": {"kind": "file"}}},
        "images": {"skipped": [{"image": "x.jpg", "reason": "is empty"}]},
        "explained": {"which": "all"},
        "warnings": ["odd"],
    }  # fmt: skip
    agreement = pd.DataFrame({"n": [8], "n_undefined": [2]})
    found = titles(provenance, agreement, {"y.jpg": "is gone"})
    assert found == [
        ("serious", "Random weights"),
        ("serious", "Warnings of the run"),
        ("serious", "1 image skipped"),
        ("notice", "Training images among the explained ones"),
        ("notice", "Flat maps"),
        ("notice", "2 undefined values"),
        ("notice", "Photographs that cannot be shown"),
    ]
    assert cautions({}, agreement, {}, ["b"])[-1].text.startswith("b cropped")
    text = cautions(provenance, agreement, {})[0].text
    assert text.startswith("a has not been trained")


def test_networks_table_survives_missing_facts():
    (row,) = network_rows({"backbones": {"a": {"predicts_only": True}}}, ["a"])
    assert (row.ablation, row.passes) == ("", "–")
    assert row.map_shape == "–"
    assert network_rows({}, ["b"])[0].weights == "unknown"
    assert split_rows({}) == []


def test_methods_claim_only_what_is_recorded():
    text = " ".join(methods_text({}, {}, ["a"], []))
    assert "None" not in text
    assert "MSE equals" not in text
    assert "reliability" not in text
    alone = methods_text({"backbones": {"a": {"predicts_only": True}}}, {}, ["a"], [])
    assert not any("heatmap" in paragraph for paragraph in alone)


def test_references_follow_the_networks():
    found = " ".join(references({}, ["vgg16", "barlow_twins"], ["ssim"]))
    assert "Simonyan" in found
    assert "Zbontar" in found
    assert "He, K." in found
    assert "Wang, Z." in found
    assert "Huang" not in found


def places(**differences: tuple[float, float]) -> pd.DataFrame:
    rows = []
    for name, (low, high) in differences.items():
        for control, bounds in (("none", (0.7, 0.9)), ("centre", (low, high))):
            rows.append({"backbone": name, "map": "evidence", "side": "raising", "score": "auc",
                         "control": control, "mean": sum(bounds) / 2, "low": bounds[0],
                         "high": bounds[1], "n": 9})  # fmt: skip
    return pd.DataFrame(rows)


def test_known_places_are_better_than_the_centre_only_if_the_interval_says_so():
    (said,) = known_places(places(a=(0.1, 0.2), b=(0.05, 0.3))).sentences
    assert "clearly better than a map that only knows the centre for every backbone" in said
    (said,) = known_places(places(a=(0.1, 0.2), b=(-0.05, 0.3), c=(-0.3, -0.1))).sentences
    assert "clearly better than a map that only knows the centre for a," in said
    assert "clearly worse than a map that only knows the centre for b" not in said
    assert "not distinguishable from a map that only knows the centre for b" in said
    assert said.count("for c") == 1


def test_localisation_tables_of_another_shape_are_shown_as_they_are():
    found = known_places(pd.DataFrame({"map": ["x"], "auc": [0.25]}))
    assert found.sentences == []
    assert found.rows[0][1].text == "0.250"
    assert draw_known_places(pd.DataFrame({"map": ["x"], "auc": [0.25]})) is None
    assert known_places(pd.DataFrame()) is None
