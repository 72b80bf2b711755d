"""Matrices are symmetric, and their numbers can be read on their colours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.report.matrices import Scale, cell_colour, ink_on, matrices, scale_of


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


def table() -> pd.DataFrame:
    rows = [("ais", "cosine", "a", "b", 0.5), ("ais", "cosine", "a", "c", -0.2),
            ("evidence", "cosine", "a", "b", 0.8), ("ais", "emd", "a", "b", 0.4)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["map", "metric", "backbone_a", "backbone_b", "mean"])
    return frame.assign(n=3, low=frame["mean"] - 0.1, high=frame["mean"] + 0.1)


def test_matrix_is_symmetric_with_nothing_on_the_diagonal():
    found = matrices(table(), ["cosine", "emd"], ["c", "a", "b"])
    cosine = found["ais"][0]
    np.testing.assert_array_equal(cosine.values, cosine.values.T)
    assert np.isnan(np.diag(cosine.values)).all()
    assert cosine.values[1, 2] == 0.5
    assert cosine.rows[0][0] is None
    assert cosine.rows[1][2].text == "0.50"
    assert cosine.rows[1][2].title == "a and b: 0.500 (0.400 to 0.600)"
    assert cosine.rows[0][1].text == "−0.20"
    assert cosine.rows[0][2].text == "–"


def test_both_kinds_of_maps_share_one_scale():
    assert scale_of(table(), "cosine") == Scale(-0.8, 0.8, True)
    found = matrices(table(), ["cosine"], ["a", "b"])
    assert found["ais"][0].scale == found["evidence"][0].scale


def test_a_metric_without_values_still_has_a_scale():
    empty = table().assign(mean=np.nan)
    for metric in ("cosine", "emd"):
        scale = scale_of(empty, metric)
        assert scale.low < scale.high
