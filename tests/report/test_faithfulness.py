"""What the section on other methods says of tables with a known answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.report.parts.faithfulness import _sentence
from aisthesis.report.parts.known_places import place_charts
from aisthesis.report.parts.method_ranks import method_ranks

NETWORKS = ("a", "b")


def row(backbone, method, measure, mean, control="random", difference=(0.1, 0.2)):
    low, high = difference
    return {
        "backbone": backbone, "method": method, "measure": measure, "baseline": "blur",
        "mean": mean, "low": mean, "high": mean, "n": 5, "n_undefined": 0, "control": control,
        "difference": (low + high) / 2, "difference_low": low, "difference_high": high,
        "difference_p_corrected": 0.01 if low > 0 or high < 0 else 0.2,
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
    assert "on average for 2 of 2 networks, more than a random map does for 1" in said
    assert "for 1 and less for 1;" in said
    assert "hardly changes when all weights are random (cosine 0.90)" in said
    assert "mean cosine of 0.25" in said
    assert "its cosine with the evidence map is 0.50" in said
    assert _sentence(Record(), table, pairs, "lime", "blur") == "No measure is defined for it."


NAMES = ("evidence", "grad_cam", "lime", "random", "occlusion")


def rankings(areas, more=()):
    """Methods whose AUC falls in the order of their names; deletion areas by network."""
    rows = [("a", areas), *more]
    places = pd.DataFrame(
        [
            {"backbone": backbone, "map": name, "side": "raising", "score": "auc",
             "control": "none", "mean": 0.9 - 0.1 * place}
            for backbone, _ in rows for place, name in enumerate(NAMES)
        ]
    )  # fmt: skip
    table = pd.DataFrame(
        [
            row(backbone, name, "deletion_positive", area)
            for backbone, own in rows
            for name, area in zip(NAMES, own, strict=True)
        ]
    )
    return method_ranks(places, table, "blur")


def test_rankings_that_agree_on_every_network_need_no_pictures():
    found = rankings([5, 4, 3, 2, 1], [("b", [5, 4, 3, 1, 2])])
    assert "(SRCC) of 0.95 on average over 2 networks (0.90 to 1.00): what finds" in found.sentence
    assert found.contrasts == []
    assert [[cell.text for cell in one] for one in found.rows][1] == [
        "b", "5", "0.90", "Evidence", "Evidence"
    ]  # fmt: skip


def test_methods_that_are_ranked_apart_are_named_where_they_are_furthest():
    found = rankings([5, 4, 3, 2, 1], [("b", [1, 2, 3, 4, 5])])
    assert "below 0.50 for b." in found.sentence
    assert [(one.backbone, one.method) for one in found.contrasts] == [
        ("b", "evidence"), ("b", "occlusion"), ("b", "grad_cam")
    ]  # fmt: skip
    assert found.contrasts[0].words == ("evidence on b: 5 of 5 by deletion, 1 of 5 by pixel AUC")
    assert rankings([np.nan] * 3 + [1, 2]) is None


def test_many_methods_are_rows_and_networks_their_marks():
    def table(n):
        return pd.DataFrame(
            [
                {"backbone": backbone, "map": f"method_{k}", "side": "raising", "score": "auc",
                 "control": "none", "mean": 0.5 + k / 30, "low": 0.4, "high": 0.95}
                for backbone in NETWORKS for k in range(n)
            ]
        )  # fmt: skip

    few, many = (place_charts(table(n))["raising"] for n in (7, 8))
    assert [label for label, _ in few.rows] == list(NETWORKS)
    assert [label for label, _ in many.rows] == [f"method {k}" for k in range(8)]
    assert list(many.series) == list(NETWORKS)
    assert many.rows[3][1][1].mean == 0.5 + 3 / 30
