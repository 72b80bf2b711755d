"""Each sentence is said exactly when the numbers support it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from aisthesis.report.parts.dividing import observe_dividing, rank_correlation
from aisthesis.report.pictures.examples import image_facts
from aisthesis.report.sentences.observations import (
    observe,
    observe_ceiling,
    observe_emd,
    observe_mse_identity,
    observe_pairs,
    observe_prediction,
    observe_ridge,
)
from aisthesis.report.sentences.observed_agreement import (
    observe_chance,
    observe_level,
    observe_noise,
)
from aisthesis.report.sentences.residual_side import observe_residual_side

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
#: Of a bivariate normal with Pearson's r = .6: 6 / pi * arcsin(r / 2).
TRUE_SPEARMAN = 6 / np.pi * np.arcsin(0.3)
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


def of_predictions(compared="networks", **p):
    """`prediction_differences.csv` of rank correlations: a_b is the p of a against b."""
    rows = [
        {"score": "srcc", "compared": compared, "backbone_a": name.split("_")[0],
         "backbone_b": name.split("_")[-1], "p_corrected": value}
        for name, value in p.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_best_predictor_is_named_only_if_it_differs_from_all_others_on_the_same_images():
    table = scores(a=(0.6, 0.4, 0.75), b=(0.7, 0.6, 0.8))  # the intervals overlap
    decided = observe_prediction(table, of_predictions(a_b=0.01))
    assert decided.startswith("b predicts the human ratings best on 40 held-out test images")
    assert "0.70 (95% interval 0.60 to 0.80)" in decided
    apart = scores(a=(0.1, 0.0, 0.2), b=(0.7, 0.6, 0.8))
    open_question = observe_prediction(apart, of_predictions(a_b=0.05))
    assert "No single best predictor" in open_question
    assert "a does not differ clearly from it on the same images." in open_question
    for of_another in (None, of_predictions(compared="heads", a_b=0.01), of_predictions(a_c=0.01)):
        assert "its difference from a was not tested" in observe_prediction(apart, of_another)


def test_rivals_are_named_only_where_they_are_few():
    table = scores(a=(0.7, 0.6, 0.8), b=(0.6, 0.5, 0.7), c=(0.6, 0.5, 0.7))
    many = observe_prediction(table, of_predictions(a_b=0.2, a_c=0.3))
    assert "every other network’s difference from it on the same images may be chance" in many
    few = observe_prediction(table, of_predictions(a_b=0.2, a_c=0.01))
    assert "but b does not differ clearly" in few


def test_prediction_that_may_be_chance_is_called_so():
    assert "No network is shown to predict" in observe_prediction(scores(a=(0.2, -0.1, 0.5)))


def test_one_backbone_is_neither_best_nor_worst():
    said = observe_prediction(scores(a=(0.6, 0.5, 0.7)))
    assert "best" not in said
    assert "0.60 (95% interval 0.50 to 0.70)" in said


def test_undefined_and_missing_intervals_claim_nothing():
    nan = float("nan")
    assert "nothing can be said" in observe_prediction(scores(a=(nan, nan, nan)))
    said = observe_prediction(scores(a=(0.6, nan, nan), b=(0.5, nan, nan)))
    assert "no network can be called the best" in said


def test_the_averaged_prediction_is_reported_and_not_a_single_seed():
    table = scores(a=(0.6, 0.5, 0.7))
    single = table.assign(seed="0", srcc=0.99)
    assert "0.60" in observe_prediction(pd.concat([single, table]))


@pytest.mark.parametrize(
    ("plcc", "words"),
    [(0.45, "is 50% of it"), (0.95, "lies above that"), (-0.1, "no network correlates")],
)
def test_ceiling_is_set_against_the_highest_plcc(plcc, words):
    ceiling = {"reliability": 0.81, "low": 0.7, "high": 0.9, "correlation": 0.9, "r2": 0.81}
    said = observe_ceiling(scores(a=(plcc, plcc - 0.1, plcc + 0.1)), ceiling)
    assert words in said
    assert "allows a correlation of 0.90" in said


def test_no_ceiling_no_sentence():
    assert observe_ceiling(scores(a=(0.5, 0.4, 0.6)), None) is None


def test_ridge_is_named_where_it_is_ahead():
    mlp = scores(a=(0.5, 0.4, 0.6), b=(0.6, 0.5, 0.7))
    ridge = scores(a=(0.55, 0.4, 0.6), b=(0.5, 0.4, 0.6)).assign(head="ridge")
    said = observe_ridge(pd.concat([mlp, ridge]))
    assert said.startswith("On a a plain ridge regression")
    assert "their difference was not tested, so neither is shown to be better" in said
    both = pd.concat([mlp, ridge])
    assert "is clear for a" in observe_ridge(both, of_predictions("heads", a=0.01, b=0.2))
    assert "neither is shown to be better" in observe_ridge(
        both, of_predictions("heads", a=0.05, b=0.2)
    )
    said = observe_ridge(pd.concat([mlp, ridge[ridge["backbone"] == "b"]]))
    assert said.startswith("On b the head has a higher rank correlation")
    lower = ridge.assign(srcc=0.1)
    assert observe_ridge(pd.concat([mlp, lower])).startswith("On every network the head")
    assert observe_ridge(mlp) is None


def test_most_alike_follows_the_metrics_direction():
    up = observe_pairs(agreement("cosine", "ais", [0.1, 0.5, 0.3], 0.01), "ais", "cosine")
    down = observe_pairs(agreement("emd", "ais", [0.1, 0.5, 0.3], 0.01), "ais", "emd")
    assert "most alike are a–c, 0.50" in up
    assert "most alike are a–b, 0.10" in down
    assert "stands out" not in up + down


def test_only_differences_on_the_same_images_decide_the_order_of_pairs():
    table = agreement("cosine", "ais", [0.1, 0.5, 0.45])
    assert "not tested" in observe_pairs(table, "ais", "cosine")

    def tested(**p):
        rows = [
            {"map": "ais", "metric": "cosine", "compared": "pairs", "first": first,
             "second": second, "p_corrected": p[name]}
            for name, (first, second) in {
                "last": ("a|b", "a|c"), "next": ("a|c", "b|c"), "others": ("a|b", "b|c")
            }.items()
        ]  # fmt: skip
        return observe_pairs(table, "ais", "cosine", pd.DataFrame(rows))

    assert "no pair stands out" in tested(last=0.2, next=0.001, others=0.001)
    assert "1 other pair does not differ clearly" in tested(last=0.01, next=0.2, others=0.9)
    assert tested(last=0.01, next=0.01, others=0.9).endswith("(95% interval 0.05 to 0.15).")


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


def predictions(residuals: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.concat([
        pd.DataFrame({"image": [f"{k}" for k in range(len(r))], "backbone": name, "rating": 50.0,
                      "prediction": 50.0 + r})
        for name, r in residuals.items()
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0.3, "agree better by 0.30"), (-0.3, "agree less by 0.30"),
     (0.0, "do not agree better or worse than can be told")],
)  # fmt: skip
def test_ais_against_evidence_says_what_the_interval_says(shift, words):
    rng = np.random.default_rng(0)
    ais = rng.normal(0.2, 0.1, 60)
    noise = rng.normal(0, 0.1, 60)
    evidence = ais + shift + noise - noise.mean() + (0 if shift else 0.001)
    unknown = predictions({"a": np.full(60, np.nan), "b": np.full(60, np.nan)})
    assert words in observe_residual_side(per_image(ais, evidence), unknown)


def test_the_side_of_the_error_explains_only_what_it_explains():
    rng = np.random.default_rng(1)
    same = np.arange(80) % 4 != 0
    residuals = {"a": np.ones(80), "b": np.where(same, 2.0, -2.0)}
    apart = np.where(same, 0.5, -0.4) + rng.normal(0, 0.1, 80)
    said = observe_residual_side(per_image(apart, apart), predictions(residuals))
    assert "on the same side of the human rating on 75% of the images" in said
    assert "part of the disagreement is the side of the error" in said
    unrelated = 0.3 + rng.normal(0, 0.1, 80)
    said = observe_residual_side(per_image(unrelated, unrelated), predictions(residuals))
    assert "not shown to explain the disagreement" in said
    never = predictions({"a": np.ones(80), "b": np.ones(80)})
    assert "on 100% of the images." in observe_residual_side(per_image(apart, apart), never)


def test_as_much_as_chance_is_no_agreement():
    table = agreement("cosine", "evidence", [0.45, 0.5, 0.4])
    assert "maps agree moderately" in observe_level(table, NO_IMAGES)
    assert "maps hardly agree" in observe_level(table.assign(chance=0.44), NO_IMAGES)
    assert "maps agree weakly" in observe_level(table.assign(chance=0.3), NO_IMAGES)
    assert "maps agree moderately" in observe_level(table.assign(chance=-0.2), NO_IMAGES)


def test_the_level_of_agreement_has_an_interval_over_images_of_the_mean_over_pairs():
    rng = np.random.default_rng(2)
    values = rng.normal(0.4, 0.1, 200)
    table = pd.concat([
        agreement("cosine", "ais", [0.1, 0.5, 0.3]), agreement("cosine", "evidence", [0.6])
    ])  # fmt: skip
    said = observe_level(table, per_image(values, values))
    half = 1.96 * values.std() / np.sqrt(200)
    low, high = (f"{values.mean() + sign * half:.2f}" for sign in (-1, 1))
    assert f"of 0.30 (95% interval {low} to {high}; 3 pairs from 0.10 to 0.50)" in said
    assert said.startswith("The AIS maps agree moderately, the evidence maps agree strongly: on ")
    assert "their evidence maps of 0.60 (95% interval 0.55 to 0.65)." in said


def test_chance_counts_corrected_p_values():
    table = agreement("cosine", "ais", [0.1, 0.2, 0.3]).assign(
        chance=0.05, p_corrected=[0.2, 0.01, 0.04]
    )
    assert "have 0.05; 2 of the 3 pairs agree better" in observe_chance(table, "cosine")
    assert "1 of the 3 pairs agrees" in observe_chance(
        table.assign(p_corrected=[0.2, 0.01, 0.4]), "cosine"
    )
    assert "no pair is shown to agree better" in observe_chance(
        table.assign(p_corrected=0.5), "cosine"
    )
    assert "every pair agrees" in observe_chance(table.assign(p_corrected=0.01), "cosine")
    assert observe_chance(table.drop(columns="chance"), "cosine") is None


def reliability(*means: float) -> pd.DataFrame:
    names = list("abc")[: len(means)]
    columns = {"map": "evidence", "metric": "cosine", "backbone": names, "mean": means}
    return pd.DataFrame(columns)


NO_VARIANCE = pd.DataFrame(columns=["map", "component", "share"])


def test_noise_is_said_with_what_is_left_without_it():
    table = agreement("cosine", "evidence", [0.1, 0.2, 0.3]).assign(
        disattenuated=[0.2, 0.4, 0.9], disattenuated_high=[0.3, 0.5, 1.1]
    )
    said = observe_noise(table, reliability(0.5, 0.7, 0.9), NO_VARIANCE)
    assert "to a cosine of 0.50 to 0.90 between evidence maps" in said
    assert "would agree to 0.50 on average, and 2 of the 3 pairs’ intervals end below 1" in said
    nan = float("nan")
    assert "from one seed only" in observe_noise(table, reliability(nan, nan, nan), NO_VARIANCE)
    assert observe_noise(table, reliability().iloc[:0], NO_VARIANCE) is None
    shares = pd.DataFrame({"map": "evidence", "component": ["image", "image x backbone", "seed"],
                           "share": [-0.01, 0.6, 0.41], "low": [-0.03, 0.5, 0.3],
                           "high": [0.02, 0.7, 0.5]})  # fmt: skip
    said = observe_noise(table, reliability(0.5, 0.7, 0.9), shares)
    assert said.startswith("Of the variance of evidence maps 60% (50 to 70) is what one network")
    assert "41% (30 to 50) comes with the seed of its training and 0% (−3 to 2) is what" in said


def facts(consensus: np.ndarray, rating: np.ndarray, error: np.ndarray) -> pd.DataFrame:
    names = [f"{k}" for k in range(len(rating))]
    averaged = pd.DataFrame({"image": names, "backbone": "a", "split": "test", "rating": rating,
                             "prediction": rating + error})  # fmt: skip
    return image_facts(names, averaged, pd.DataFrame({"consensus": consensus}, index=names))


def test_what_divides_the_networks_is_named_only_if_the_interval_shows_it():
    rng = np.random.default_rng(3)
    rating, error, noise = rng.uniform(10, 90, 100), rng.normal(0, 5, 100), rng.normal(0, 1, 100)
    said = observe_dividing(facts(0.02 * rating + 0.1 * noise, rating, error), "evidence")
    assert said.startswith("The evidence maps agree less on images that people rate low (rank")
    assert "98% interval" in said
    said = observe_dividing(facts(-np.abs(error) + 0.1 * noise, rating, error), "ais")
    assert "AIS maps agree less on images whose rating is predicted badly" in said
    said = observe_dividing(facts(noise, rating, error), "evidence")
    assert said.startswith("No kind of image is shown to divide them: the rank correlations of")
    assert said.endswith("and every interval includes zero.")
    assert observe_dividing(facts(noise, rating, error).iloc[:19], "ais") is None
    scores = np.arange(1, 101) / 100
    table = facts(noise, rating, error).assign(same_rating_other_evidence=scores)
    table["consensus"] = table["prediction_sd"] = -scores
    said = observe_dividing(table, "ais")
    assert "20 of 100 images are both in the fifth" in said
    assert "(4 expected by chance)" in said


def test_rank_correlation_is_scipys_and_its_interval_covers_as_often_as_it_claims():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(60):
        x = rng.normal(size=80)
        y = 0.6 * x + 0.8 * rng.normal(size=80)
        rho, low, high = rank_correlation(x, y, 0.95)
        assert rho == pytest.approx(spearmanr(x, y).statistic)
        covered += low <= TRUE_SPEARMAN <= high
    assert 51 <= covered <= 60


def test_without_agreement_only_prediction_is_spoken_of():
    empty = pd.DataFrame(columns=["map", "metric", "backbone_a", "backbone_b", "mean", "n"])
    found = observe(scores(a=(0.6, 0.5, 0.7)), empty, NO_IMAGES)
    assert [answer.title for answer in found.headline] == ["How well they predict"]
    assert found.agreement == {}
    assert found.metrics == []
