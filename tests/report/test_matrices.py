"""Matrices are symmetric, and their numbers can be read on their colours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.report.charts.matrices import Scale, cell_colour, ink_on, matrices, scale_of


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Compute WCAG 2's ratio, written from its definition."""

    def luminance(colour: tuple[int, int, int]) -> float:
        parts = np.array(colour) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scale", [Scale(-0.5, 0.5, True), Scale(0.2, 2.5, False)])
def test_every_number_stands_out_from_its_cell(scale):
    for value in np.linspace(scale.low - 0.1, scale.high + 0.1, 300):
        colour = cell_colour(float(value), scale)
        ink = tuple(int(ink_on(colour)[k : k + 2], 16) for k in (1, 3, 5))
        assert contrast(colour, ink) >= 4.5, value


def test_zero_is_white_and_signs_differ():
    scale = Scale(-0.3, 0.3, True)
    assert cell_colour(0.0, scale) == (255, 255, 255)
    red, blue = cell_colour(0.3, scale), cell_colour(-0.3, scale)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


NO_RELIABILITY = pd.DataFrame(columns=["map", "metric", "backbone", "mean"])


def table() -> pd.DataFrame:
    rows = [("ais", "cosine", "a", "b", 0.5), ("ais", "cosine", "a", "c", -0.2),
            ("evidence", "cosine", "a", "b", 0.8), ("ais", "emd", "a", "b", 0.4)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["map", "metric", "backbone_a", "backbone_b", "mean"])
    return frame.assign(n=3, low=frame["mean"] - 0.1, high=frame["mean"] + 0.1)


def test_matrix_is_symmetric_with_nothing_on_the_diagonal():
    found = matrices(table(), NO_RELIABILITY, ["cosine", "emd"], ["c", "a", "b"])
    assert [(m.kind, m.metric, m.view) for m in found] == [
        ("ais", "cosine", "raw"), ("ais", "emd", "raw"),
        ("evidence", "cosine", "raw"), ("evidence", "emd", "raw"),
    ]  # fmt: skip
    cosine = found[0]
    np.testing.assert_array_equal(cosine.values, cosine.values.T)
    assert np.isnan(np.diag(cosine.values)).all()
    assert cosine.values[1, 2] == 0.5
    assert cosine.rows[0][0] is None
    assert cosine.rows[1][2].text == "0.50"
    assert cosine.rows[1][2].line == "a and b: 0.500, 95% interval 0.400 to 0.600; 3 images"
    assert cosine.rows[0][1].text == "−0.20"
    assert cosine.rows[0][2].text == "–"


def test_both_kinds_of_maps_share_one_scale():
    assert scale_of(table(), "cosine") == Scale(-0.8, 0.8, True)
    found = matrices(table(), NO_RELIABILITY, ["cosine"], ["a", "b"])
    assert found[0].scale == found[1].scale


def test_cells_tell_chance_and_reliability_and_the_disattenuated_view_its_own():
    inferred = table().assign(
        chance=0.1, chance_low=0.0, chance_high=0.2, p=[0.0001, 0.3, 0.01, 0.01],
        p_corrected=[0.0003, 0.3, 0.02, 0.02], reliability_a=0.8, reliability_b=0.5,
        disattenuated=[0.79, np.nan, 1.2, np.nan], disattenuated_low=0.6, disattenuated_high=1.3,
        n_undefined=[1, 0, 0, 0],
    )  # fmt: skip
    own = pd.DataFrame({"map": "ais", "metric": "cosine", "backbone": ["a", "b"], "mean": 0.8,
                        "low": 0.7, "high": 0.9, "stepped_up": [0.92, np.nan]})  # fmt: skip
    raw, corrected = matrices(inferred, own, ["cosine"], ["a", "b", "c"])[:2]
    assert (raw.view, corrected.view) == ("raw", "disattenuated")
    assert raw.rows[0][1].line == (
        "a and b: 0.500, 95% interval 0.400 to 0.600; chance 0.10 (95% of random pairings 0.00 "
        "to 0.20); "
        "p < 0.001, corrected < 0.001; 3 images; 1 undefined"
    )
    assert not raw.rows[0][1].doubtful
    assert raw.rows[0][2].doubtful
    assert raw.doubtful
    assert [raw.rows[k][k] and raw.rows[k][k].text for k in range(3)] == ["0.92", "0.80", None]
    assert "Spearman–Brown) 0.920" in raw.rows[0][0].line
    assert corrected.rows[0][1].text == "0.79"
    assert "0.790 freed of seed noise, 95% interval 0.600 to 1.300" in corrected.rows[0][1].line
    assert "reliabilities 0.80 and 0.50" in corrected.rows[0][1].line
    assert corrected.rows[0][2].line == "a and c: undefined"
    assert corrected.rows[0][0] is None
    assert raw.own_words == "reliability: what averages over as many other seeds would agree to"
    assert corrected.own_words == ""
    single = matrices(inferred, own.drop(columns="stepped_up"), ["cosine"], ["a", "b"])[0]
    assert single.own_words == "reliability: agreement between single seeds"
    assert corrected.scale == raw.scale == Scale(-1.0, 1.0, True)


def test_a_metric_without_values_still_has_a_scale():
    empty = table().assign(mean=np.nan)
    for metric in ("cosine", "emd"):
        scale = scale_of(empty, metric)
        assert scale.low < scale.high
