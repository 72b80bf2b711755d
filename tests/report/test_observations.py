"""Each sentence is said exactly when the numbers support it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.report.observations import (
    observe,
    observe_ceiling,
    observe_chance,
    observe_emd,
    observe_mse_identity,
    observe_pairs,
    observe_prediction,
    observe_ridge,
)
from aisthesis.report.residual_side import observe_residual_side

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
NO_IMAGES = pd.DataFrame(columns=["image", "map", "metric", "backbone_a", "backbone_b", "value"])


def scores(**srcc: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame([
        {"backbone": name, "head": "mlp", "seed": "mean", "split": "test", "n": 40,
         "srcc": value, "srcc_low": low, "srcc_high": high,
         "plcc": value, "plcc_low": low, "plcc_high": high}
        for name, (value, low, high) in srcc.items()
    ])  # fmt: skip


def agreement(metric: str, kind: str, values: list[float], half: float = 0.05) -> pd.DataFrame:
    return pd.DataFrame([
        {"map": kind, "metric": metric, "backbone_a": a, "backbone_b": b, "mean": v,
         "low": v - half, "high": v + half, "n": 20, "n_undefined": 0}
        for (a, b), v in zip(PAIRS, values, strict=False)
    ])  # fmt: skip


def test_a_best_predictor_is_named_only_if_its_interval_is_clear_of_all_others():
    decided = observe_prediction(scores(a=(0.5, 0.4, 0.59), b=(0.7, 0.6, 0.8)))
    assert decided.startswith("b predicts the human ratings best on 40 held-out test images")
    assert "0.70 (95% interval 0.60 to 0.80)" in decided
    open_question = observe_prediction(scores(a=(0.5, 0.4, 0.61), b=(0.7, 0.6, 0.8)))
    assert "No single best predictor" in open_question
    assert "overlaps with that of a." in open_question


def test_prediction_that_may_be_chance_is_called_so():
    assert "No backbone is shown to predict" in observe_prediction(scores(a=(0.2, -0.1, 0.5)))


def test_one_backbone_is_neither_best_nor_worst():
    said = observe_prediction(scores(a=(0.6, 0.5, 0.7)))
    assert "best" not in said
    assert "0.60 (95% interval 0.50 to 0.70)" in said


def test_undefined_and_missing_intervals_claim_nothing():
    nan = float("nan")
    assert "nothing can be said" in observe_prediction(scores(a=(nan, nan, nan)))
    said = observe_prediction(scores(a=(0.6, nan, nan), b=(0.5, nan, nan)))
    assert "no backbone can be called the best" in said


def test_the_averaged_prediction_is_reported_and_not_a_single_seed():
    table = scores(a=(0.6, 0.5, 0.7))
    single = table.assign(seed="0", srcc=0.99)
    assert "0.60" in observe_prediction(pd.concat([single, table]))


@pytest.mark.parametrize(
    ("plcc", "words"),
    [(0.45, "is 50% of it"), (0.95, "lies above that"), (-0.1, "no backbone correlates")],
)
def test_ceiling_is_set_against_the_highest_plcc(plcc, words):
    ceiling = {"reliability": 0.81, "low": 0.7, "high": 0.9, "correlation": 0.9, "r2": 0.81}
    said = observe_ceiling(scores(a=(plcc, plcc - 0.1, plcc + 0.1)), ceiling)
    assert words in said
    assert "reliability 0.81, 0.70 to 0.90" in said


def test_no_ceiling_no_sentence():
    assert observe_ceiling(scores(a=(0.5, 0.4, 0.6)), None) is None


def test_ridge_is_named_where_it_is_ahead():
    mlp = scores(a=(0.5, 0.4, 0.6), b=(0.6, 0.5, 0.7))
    ridge = scores(a=(0.55, 0.4, 0.6), b=(0.5, 0.4, 0.6)).assign(head="ridge")
    said = observe_ridge(pd.concat([mlp, ridge]))
    assert said.startswith("On a a plain ridge regression")
    assert "neither is shown to be better" in said
    clear = ridge.assign(srcc_low=0.65)
    assert "do not overlap for a" in observe_ridge(pd.concat([mlp, clear]))
    assert "On every backbone the MLP head" in observe_ridge(
        pd.concat([mlp, ridge[ridge["backbone"] == "b"]])
    )
    assert observe_ridge(mlp) is None


def test_most_alike_follows_the_metrics_direction():
    up = observe_pairs(agreement("cosine", "ais", [0.1, 0.5, 0.3], 0.01), "ais", "cosine")
    down = observe_pairs(agreement("emd", "ais", [0.1, 0.5, 0.3], 0.01), "ais", "emd")
    assert "most alike are a–c, 0.50" in up
    assert "most alike are a–b, 0.10" in down
    assert "overlap" not in up + down


def test_overlapping_intervals_leave_the_order_of_pairs_open():
    said = observe_pairs(agreement("cosine", "ais", [0.1, 0.12, 0.14]), "ais", "cosine")
    assert "no pair stands out" in said
    said = observe_pairs(agreement("cosine", "ais", [0.1, 0.5, 0.45]), "ais", "cosine")
    assert "1 other pair’s interval overlaps with it" in said


def test_mse_repeats_cosine_only_if_the_table_shows_it():
    cosine = agreement("cosine", "ais", [0.1, 0.5, -0.3])
    true = agreement("mse", "ais", [1.8, 1.0, 2.6])
    false = agreement("mse", "ais", [1.8, 1.0, 2.5])
    assert "says nothing that cosine does not" in observe_mse_identity(
        pd.concat([cosine, true]), NO_IMAGES
    )
    said = observe_mse_identity(pd.concat([cosine, false]), NO_IMAGES)
    assert "departs from that by up to 0.100" in said
    assert observe_mse_identity(cosine, NO_IMAGES) is None


def test_emd_is_called_blind_and_its_order_compared():
    pairs = [(x, y) for k, x in enumerate("abcd") for y in "abcd"[k + 1 :]]
    rows = []
    for k, (a, b) in enumerate(pairs):
        for metric, value in (("cosine", 0.1 * k), ("emd", 0.9 - 0.1 * k)):
            rows.append({"map": "ais", "metric": metric, "backbone_a": a, "backbone_b": b,
                         "mean": value, "n": 5})  # fmt: skip
    said = observe_emd(pd.DataFrame(rows))
    assert "blind to where they lie" in said
    assert "rank correlation of 1.00" in said
    assert observe_emd(agreement("cosine", "ais", [0.1])) is None


def per_image(ais: np.ndarray, evidence: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame([
        {"image": f"{k}", "map": kind, "metric": "cosine", "backbone_a": "a", "backbone_b": "b",
         "value": v}
        for kind, values in (("ais", ais), ("evidence", evidence))
        for k, v in enumerate(values)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0.3, "agree better on where the evidence is"), (-0.3, "agree less on the evidence"),
     (0.0, "not distinguishable from zero")],
)  # fmt: skip
def test_ais_against_evidence_says_what_the_interval_says(shift, words):
    rng = np.random.default_rng(0)
    ais = rng.normal(0.2, 0.1, 60)
    evidence = ais + shift + rng.normal(0, 0.1, 60) - (0 if shift else 0.005)
    table = pd.concat([
        agreement("cosine", "ais", [ais.mean()]), agreement("cosine", "evidence", [evidence.mean()])
    ])  # fmt: skip
    (said,) = observe_residual_side(table, per_image(ais, evidence))
    assert words in said


def test_the_side_of_the_error_explains_only_what_it_explains():
    table = agreement("cosine", "ais", [0.1, 0.2, 0.3]).assign(
        same_side_share=[0.6, 0.7, 0.8], same_side_mean=[0.3, 0.4, 0.5]
    )
    (said,) = observe_residual_side(table, NO_IMAGES)
    assert "70% (pairs: 60% to 80%)" in said
    assert "0.40 instead of 0.20" in said
    (said,) = observe_residual_side(table.assign(same_side_mean=0.1), NO_IMAGES)
    assert "does not explain the disagreement" in said
    (said,) = observe_residual_side(table.assign(same_side_mean=[0.9, 0.1, 0.2]), NO_IMAGES)
    assert "does not explain the disagreement" in said


def test_chance_counts_corrected_p_values():
    table = agreement("cosine", "ais", [0.1, 0.2, 0.3]).assign(
        chance=0.05, p_adjusted=[0.2, 0.01, 0.04]
    )
    assert "2 of 3 pairs agree better" in observe_chance(table, "ais")
    assert observe_chance(table.drop(columns="chance"), "ais") is None


def test_without_agreement_only_prediction_is_spoken_of():
    empty = agreement("cosine", "ais", [])
    empty = pd.DataFrame(columns=["map", "metric", "backbone_a", "backbone_b", "mean", "n"])
    found = observe(scores(a=(0.6, 0.5, 0.7)), empty, NO_IMAGES)
    assert len(found.headline) == 1
    assert found.agreement == {}
    assert found.metrics == []
