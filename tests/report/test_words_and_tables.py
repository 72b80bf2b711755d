"""Numbers in words, tables in cells, warnings that apply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from aisthesis.report.folder.record import INFERENCE, StudyRecord
from aisthesis.report.folder.selection import averaged_predictions, evaluated_split, headline_scores
from aisthesis.report.page import _coded
from aisthesis.report.parts.known_places import known_places, place_charts
from aisthesis.report.sections import versions_line
from aisthesis.report.sentences.cautions import cautions
from aisthesis.report.sentences.methods import methods_text, references
from aisthesis.report.sentences.tables import any_table, network_rows, pair_rows, split_rows
from aisthesis.report.words.wording import and_list, count, estimate, number, percent

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


def test_p_values_in_tables_are_never_zero():
    pairs = pd.DataFrame(
        {
            "map": "ais",
            "metric": "cosine",
            "backbone_a": "a",
            "backbone_b": "b",
            "mean": 0.5,
            "n": 20,
            "p": [1e-4],
            "p_corrected": [0.0499996],
        }
    )
    header, (row,) = pair_rows(pairs, "ais", "cosine")
    said = {name: cell.text for name, cell in zip(header, row, strict=True)}
    assert (said["p"], said["p, corrected"]) == ("< 0.001", "0.049999600")
    _, rows = any_table(pd.DataFrame({"p": [0.0, 0.2, np.nan]}))
    assert [row[0].text for row in rows] == ["< 0.001", "0.200", "–"]


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
    apart = cautions({}, agreement, {}, ["b"])[-1].text
    assert apart.startswith("b cropped")
    assert "each network saw its own crop" in apart  # a table of 0.1.0
    shared = agreement.assign(compared_share=0.615)
    assert cautions({}, shared, {}, ["b"])[-1].text.endswith(
        "over the part of the photographs that both saw, 62% of their area for the pair with the "
        "smallest."
    )
    nothing = cautions({}, agreement[:0], {}, ["b"])[-1].text
    assert nothing == "b cropped the photographs otherwise than the first network."
    text = cautions(provenance, agreement, {})[0].text
    assert text.startswith("a has not been trained")


def test_networks_table_survives_missing_facts():
    (row,) = network_rows({"backbones": {"a": {"predicts_only": True}}}, ["a"])
    assert (row.ablation, row.passes) == ("", "–")
    assert row.map_shape == "–"
    assert network_rows({}, ["b"])[0].weights == "unknown"
    assert split_rows({}) == []


def record_of(provenance, **tables) -> StudyRecord:
    """Give a record that holds nothing but what is named."""
    empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in INFERENCE.items()}
    pairs = pd.DataFrame(columns=["map", "metric", "mean"])
    named = provenance if provenance.get("backbones") else {**provenance, "backbones": {"a": {}}}
    values = {"predictions": pd.DataFrame({"backbone": []}),
              "scores": pd.DataFrame({"backbone": []}), "agreement": pairs,
              "agreement_images": EMPTY, "localisation": EMPTY, **empty, **tables}  # fmt: skip
    return StudyRecord(path=Path(), config={}, provenance=named, maps={}, **values)


def test_methods_name_the_statistics_that_the_study_holds():
    agreement = pd.DataFrame(
        {
            "map": ["ais"],
            "metric": ["cosine"],
            "mean": [0.1],
            "chance": [0.0],
            "p": [0.01],
            "p_corrected": [0.02],
            "disattenuated": [0.2],
        }
    )
    one = {"map": ["ais"], "metric": ["cosine"]}
    record = record_of(
        {}, agreement=agreement,
        reliability=pd.DataFrame({**one, "backbone": ["a"], "mean": [0.5], "stepped_up": [0.7]}),
        baselines=pd.DataFrame({**one, "backbone": ["a"], "mean": [0.5]}),
        variance=pd.DataFrame({"map": ["ais"], "component": ["image"], "share": [0.5]}),
        clusters=pd.DataFrame({**one, "members": ["a|b"], "distance": [0.5]}),
        localisation=pd.DataFrame({"map": ["ais"], "control": ["random_weights"]}),
    )  # fmt: skip
    text, works = " ".join(methods_text(record)), " ".join(references(record))
    for words in ("level of chance", "random pairings", "Benjamini and Hochberg", "Spearman–Brown",
                  "Disattenuated", "mean of its layer’s activations", "random effects",
                  "average linkage", "with random weights"):  # fmt: skip
        assert words in text, words
    for author in ("Benjamini, Y.", "Phipson, B.", "Spearman, C.", "Cornfield", "Sokal",
                   "Felsenstein"):  # fmt: skip
        assert author in works, author
    plain = record_of({}, agreement=agreement[["map", "metric", "mean"]])
    assert "chance" not in " ".join(methods_text(plain))
    assert "Benjamini" not in " ".join(references(plain))


def test_methods_claim_only_what_is_recorded():
    text = " ".join(methods_text(record_of({})))
    assert "None" not in text
    assert "MSE equals" not in text
    assert "reliability" not in text
    alone = methods_text(record_of({"backbones": {"a": {"predicts_only": True}}}))
    assert not any("heatmap" in paragraph for paragraph in alone)


def test_references_follow_the_networks():
    agreement = pd.DataFrame({"map": ["ais"], "metric": ["ssim"], "mean": [0.1]})
    record = record_of({"backbones": {"vgg16": {}, "barlow_twins": {}}}, agreement=agreement)
    found = " ".join(references(record))
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
    said = known_places(places(a=(0.1, 0.2), b=(0.05, 0.3))).sentences[0]
    assert "against a map that knows only the centre that is better for every network" in said
    said = known_places(places(a=(0.1, 0.2), b=(-0.05, 0.3), c=(-0.3, -0.1))).sentences[0]
    assert "that is better for a, worse for c and not distinguishable for b." in said


def test_maps_that_point_away_are_called_wrong_and_agreement_no_proof():
    table = places(a=(0.1, 0.2), b=(0.1, 0.2))
    wrong = table[table["control"] == "none"].assign(side="lowering", low=0.1, high=[0.4, 0.6])
    pairs = pd.DataFrame({"map": ["evidence"], "metric": ["cosine"], "backbone_a": ["a"],
                          "backbone_b": ["b"], "mean": [0.7]})  # fmt: skip
    said = known_places(pd.concat([table, wrong]), pairs).sentences
    assert "a points away from evidence that lowers the rating" in said[1]
    assert "both find the evidence" in said[2]
    table.loc[(table["backbone"] == "b") & (table["control"] == "none"), "low"] = 0.4
    assert "agreement is no proof of being right" in known_places(table, pairs).sentences[-1]
    assert known_places(table).sentences[1:] == []


def test_kinds_of_maps_that_are_not_known_are_drawn_under_their_names():
    table = places(a=(0.1, 0.2))
    other = table[table["control"] == "none"].assign(map="my_method")
    control = other.assign(map="evidence_random_weights", mean=0.5)
    (chart,) = place_charts(pd.concat([table, control, other])).values()
    assert list(chart.series.values()) == [
        "evidence map",
        "evidence map, random weights",
        "my method",
    ]
    low, high = chart.axis.low, chart.axis.high
    assert (0.5 - low) / (high - low) == pytest.approx(0.5, abs=0.01)


def test_localisation_tables_of_another_shape_are_shown_as_they_are():
    found = known_places(pd.DataFrame({"map": ["x"], "auc": [0.25]}))
    assert found.sentences == []
    assert found.rows[0][1].text == "0.250"
    assert place_charts(pd.DataFrame({"map": ["x"], "auc": [0.25]})) == {}
    assert known_places(pd.DataFrame()) is None


def test_versions_are_said_once_or_with_their_stages() -> None:
    one = {"aisthesis": "0.2.0", "torch": "2.6.0"}
    stages = {"embed": {"versions": one}, "check": {"seconds": 1}, "agree": {"versions": one}}
    assert versions_line({"stages": stages}) == ["aisthesis 0.2.0", "torch 2.6.0"]
    stages["agree"] = {"versions": {"aisthesis": "0.3.0", "torch": "2.6.0", "captum": "0.8"}}
    assert versions_line({"stages": stages}) == [
        "aisthesis 0.2.0 (embed) and 0.3.0 (agree)", "torch 2.6.0", "captum 0.8",
    ]  # fmt: skip
    old = {"aisthesis": "0.1.0", "versions": {"torch": "2.6.0"}, "stages": {"agree": {}}}
    assert versions_line(old) == ["aisthesis 0.1.0", "torch 2.6.0"]


def test_what_stands_between_backticks_is_code_and_nothing_else_is_markup():
    assert _coded('so `view = "<pad>"` & <b>') == (
        "so <code>view = &#34;&lt;pad&gt;&#34;</code> &amp; &lt;b&gt;"
    )
    assert isinstance(_coded("plain"), Markup)
