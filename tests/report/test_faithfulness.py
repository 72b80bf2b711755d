"""What the section on other methods says of tables with a known answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.report.faithfulness import _sentence, rank_agreement

NETWORKS = ("a", "b")


def row(backbone, method, measure, mean, control="random", difference=(0.1, 0.2)):
    low, high = difference
    return {
        "backbone": backbone, "method": method, "measure": measure, "baseline": "blur",
        "mean": mean, "low": mean, "high": mean, "n": 5, "n_undefined": 0, "control": control,
        "difference": (low + high) / 2, "difference_low": low, "difference_high": high,
    }  # fmt: skip


class Record:
    cascade = pd.DataFrame(
        [
            {"backbone": "a", "method": "grad_cam", "stage": 0, "metric": "cosine", "mean": 1.0},
            {"backbone": "a", "method": "grad_cam", "stage": 5, "metric": "cosine", "mean": 0.9},
        ]
    )
    between = pd.DataFrame({"map": ["grad_cam"], "metric": ["cosine"], "mean": [0.25]})


def test_sentence_counts_networks_and_names_a_map_that_does_not_change():
    table = pd.DataFrame(
        [
            row("a", "grad_cam", "deletion_positive", 1.0),
            row("b", "grad_cam", "deletion_positive", 1.0, difference=(-0.3, -0.1)),
        ]
    )
    pairs = pd.Series({("evidence", "grad_cam"): 0.5})
    said = _sentence(Record(), table, pairs, "grad_cam", "blur")
    assert "more than a random map does for 1 of 2 networks and less for 1" in said
    assert "hardly changes when all weights are random (cosine 0.90)" in said
    assert "mean cosine of 0.25" in said
    assert "its cosine with the evidence map is 0.50" in said
    assert _sentence(Record(), table, pairs, "lime", "blur") == "No measure is defined for it."


def rankings(areas):
    names = ["evidence", "grad_cam", "lime", "random", "occlusion"]
    places = pd.DataFrame(
        [
            {"backbone": "a", "map": name, "side": "raising", "score": "auc", "control": "none",
             "mean": 0.9 - 0.1 * place}
            for place, name in enumerate(names)
        ]
    )  # fmt: skip
    table = pd.DataFrame(
        [row("a", name, "deletion_positive", area) for name, area in zip(names, areas, strict=True)]
    )
    return rank_agreement(places, table, "blur")


def test_rankings_are_compared():
    assert "Spearman correlation of 1.00: what finds" in rankings([5, 4, 3, 2, 1])
    opposite = rankings([1, 2, 3, 4, 5])
    assert "Spearman correlation of \N{MINUS SIGN}1.00" in opposite
    assert "ranked most differently" in opposite
    assert rankings([np.nan] * 3 + [1, 2]) == ""
