"""What is said of grids, SSIM, distance, families, zero and opposed seeds is in the tables."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pandas as pd
from reading import checks, says, table_read

from aisthesis.report.sentences.observed_shape import (
    SSIM_LESS_COSINE,
    WITHIN_FAMILIES,
    observe_family,
    observe_far,
    observe_grids,
    observe_near_zero,
    observe_ssim,
    shape_estimates,
)
from aisthesis.report.sentences.opposed_seeds import observe_opposed_seeds

LABELS = ("vgg16", "vgg19", "mine", "other")
NETWORKS = {"vgg16": {"network": "vgg16"}, "vgg19": {"network": "torchvision vgg19"},
            "mine": {"network": "resnet152"}, "other": {"network": "densenet161"}}  # fmt: skip


def study(levels, *, ssim=0.0, n=30, labels=LABELS, noise=0.02, kind="evidence"):
    """Both tables of agreement: the cosine of pairs at given levels, SSIM above it by `ssim`."""
    rng, rows = np.random.default_rng(0), []
    for a, b in combinations(labels, 2):
        cosine = levels(a, b) + noise * rng.normal(size=n)
        for metric, values in (("cosine", cosine), ("ssim", cosine + ssim)):
            rows += [{"image": i, "map": kind, "metric": metric, "backbone_a": a, "backbone_b": b,
                      "value": v} for i, v in enumerate(values)]  # fmt: skip
    per_image = pd.DataFrame(rows)
    keys = ["map", "metric", "backbone_a", "backbone_b"]
    table = per_image.groupby(keys, sort=False)["value"].mean().rename("mean").reset_index()
    table_read()
    return table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05, n=n), per_image


def estimate(per_image, about):
    return {one.about: one for one in shape_estimates(per_image, NETWORKS)}.get(about)


@checks("sentences.observed_shape.observe_grids")
def test_grids_are_said_with_what_follows_where_they_differ():
    shapes = {"a": (512, 14, 14), "b": (48, 7, 7), "c": (64, 14, 14)}
    said = observe_grids({name: {"map_shape": list(one)} for name, one in shapes.items()})
    assert "14 × 14 for a and c and 7 × 7 for b" in said
    assert "covers 4 times the area" in said
    said = observe_grids({"a": {"map_shape": [9, 10, 10]}, "b": {"map_shape": [9, 8, 8]}})
    assert "covers 1.6 times" in said
    alike = observe_grids({"a": {"map_shape": [9, 7, 7]}, "b": {"map_shape": [9, 7, 7]}})
    assert alike.startswith("Maps have 7 × 7 places")
    assert "disagreement" not in alike
    table_read()
    assert observe_grids({"a": {}, "b": {"map_shape": [9, 7, 7], "predicts_only": True}}) is None


@checks("sentences.observed_shape.observe_ssim")
def test_ssim_is_set_against_cosine_pair_by_pair():
    table, per_image = study(lambda a, b: 0.3, ssim=0.1)
    said = observe_ssim(table, estimate(per_image, SSIM_LESS_COSINE))
    assert "lies above cosine for 6 of 6 pairs, on average by 0.10 above it" in said
    table, per_image = study(lambda a, b: 0.3, ssim=-0.2)
    said = observe_ssim(table, estimate(per_image, SSIM_LESS_COSINE))
    assert "for 0 of 6 pairs, on average by 0.20 below it" in said
    one, images = study(lambda a, b: 0.3, ssim=-0.2, labels=("a", "b"))
    assert "lies above cosine for no pair," in observe_ssim(one, estimate(images, SSIM_LESS_COSINE))
    rng = np.random.default_rng(1)
    open_ = per_image.assign(value=rng.normal(size=len(per_image)))
    said = observe_ssim(table, estimate(open_, SSIM_LESS_COSINE))
    assert "on average neither is shown to be higher" in said
    few = per_image[per_image["image"] < 4]
    assert observe_ssim(table, estimate(few, SSIM_LESS_COSINE)) is None
    alone = per_image[per_image["metric"] == "cosine"]
    assert observe_ssim(table, estimate(alone, SSIM_LESS_COSINE)) is None


def differences(far, p):
    """`agreement_differences.csv` of one network against all others, by metric."""
    return pd.DataFrame([
        {"map": "evidence", "metric": metric, "compared": "networks", "first": far, "second": other,
         "p_corrected": value}
        for metric, value in p.items() for other in LABELS if other != far
    ])  # fmt: skip


@checks("sentences.observed_shape.observe_far")
def test_the_farthest_network_is_named_only_by_every_metric_and_called_so_only_by_differences():
    table, _ = study(lambda a, b: 0.1 if "mine" in (a, b) else 0.4)
    clear = observe_far(table, differences("mine", {"cosine": 0.01, "ssim": 0.02}))
    assert "similarity) the evidence maps of mine are farthest from the others’, clearly" in clear
    assert clear.endswith("on the same images (corrected over networks).")
    part = observe_far(table, differences("mine", {"cosine": 0.01, "ssim": 0.2}))
    assert "on the same images by cosine similarity (corrected" in part
    open_ = observe_far(table, differences("mine", {"cosine": 0.05, "ssim": 0.2}))
    assert "by none clearly so" in open_
    for unknown in (None, differences("mine", {"cosine": np.nan})):
        assert "was not tested" in observe_far(table, unknown)
    other = table.assign(mean=table["mean"].where(
        table["metric"] == "cosine",
        np.where((table[["backbone_a", "backbone_b"]] == "other").any(axis=1), 0.0, 0.4)))  # fmt: skip
    assert (
        "No network’s evidence maps are farthest by every metric: mine by cosine similarity and other by "
        in (observe_far(other, None))
    )
    level = table.assign(mean=0.4)
    assert observe_far(level, None) is None
    assert observe_far(study(lambda a, b: 0.1, labels=("a", "b"))[0], None) is None
    assert observe_far(table[:0], None) is None


@checks("sentences.observed_shape.observe_family")
def test_families_are_said_to_be_alike_only_where_the_difference_shows_it():
    for level, word in ((0.8, "more"), (0.1, "less")):
        table, per_image = study(lambda a, b, x=level: x if a[:3] == b[:3] else 0.4)
        said = observe_family(estimate(per_image, WITHIN_FAMILIES), NETWORKS, table)
        assert said.startswith("Networks of one family (vgg16 and vgg19) have evidence maps")
        assert f" {word} alike than networks of different families" in said
        says(re.search(r"by (\S+) in mean", said)[1], abs(level - 0.4) + 0.004)
    table, per_image = study(lambda a, b: 0.4, noise=0.3)
    said = observe_family(estimate(per_image, WITHIN_FAMILIES), NETWORKS, table)
    assert "are not shown to have evidence maps more or less alike" in said
    three = per_image[(per_image[["backbone_a", "backbone_b"]] != "vgg19").all(axis=1)]
    assert estimate(three, WITHIN_FAMILIES) is None
    assert observe_family(None, NETWORKS, table) is None
    assert estimate(per_image[:0], WITHIN_FAMILIES) is None


@checks("sentences.observed_shape.observe_near_zero")
def test_pairs_near_zero_are_counted_by_a_limit_that_is_said():
    table, _ = study(lambda a, b: 0.02 if "mine" in (a, b) else 0.4, noise=0)
    said = observe_near_zero(table)
    assert "Of 6 pairs 3 have a mean cosine of evidence maps closer to zero than 0.10" in said
    assert "3 have a 95% interval that holds zero" in said
    none = observe_near_zero(study(lambda a, b: 0.1, noise=0)[0])
    assert "Of 6 pairs none have" in none
    assert "and none have a 95% interval" in none
    assert "interval" not in observe_near_zero(table.drop(columns=["low", "high"]))
    assert observe_near_zero(table[:1]) is None
    assert observe_near_zero(table[table["metric"] == "ssim"]) is None


@checks("sentences.opposed_seeds.observe_opposed_seeds")
def test_seeds_that_err_on_opposite_sides_are_told_by_network():
    table, _ = study(lambda a, b: 0.4, kind="ais", noise=0)
    own = pd.DataFrame({"map": ["ais", "ais", "evidence"], "backbone": ["vgg16", "mine", "vgg16"],
                        "opposite_seeds_share": [0.12, 0.23, np.nan]})  # fmt: skip
    said = observe_opposed_seeds(own, table.assign(single_seed=0.25))
    assert "on 12% (vgg16) and 23% (mine). There their AIS maps cancel" in said
    assert "single seeds have a mean cosine of 0.25, those averaged over seeds of 0.40." in said
    assert observe_opposed_seeds(own, table).endswith("averaged over seeds.")
    for nothing in (0.0, np.nan):
        assert observe_opposed_seeds(own.assign(opposite_seeds_share=nothing), table) is None
    assert observe_opposed_seeds(own[["map", "backbone"]], table) is None
