"""The figure of a pair says its similarity and its scale."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from aisthesis.report.pair_figure import draw_pair

BOX = {"crop_left": 0, "crop_top": 0, "crop_right": 30, "crop_bottom": 20,
       "width_px": 30, "height_px": 20}  # fmt: skip


def found(values: np.ndarray, similarity: float, window: int) -> xr.DataArray:
    return xr.DataArray(
        values,
        dims=("image", "y", "x"),
        coords={"image": ["$a", "b"], **{k: ("image", [v, v]) for k, v in BOX.items()}},
        attrs={"similarity": similarity, "backbone": "n", "layer": "l", "window": window},
    )


@pytest.mark.parametrize(("similarity", "said"), [(-0.5, "r = −0.50"), (np.nan, "undefined")])
def test_similarity_window_and_scale_are_said(similarity, said) -> None:
    values = np.array([[[0.0, -0.0213], [0.01, 0.02]], [[0.0, 0.0], [0.0, np.nan]]])
    photographs = [Image.new("RGB", (30, 20), "gray")] * 2
    figure = draw_pair(found(values, similarity, 3), photographs)
    assert figure._suptitle.get_text() == f"n, l\nsimilarity of the two: {said}"
    bar = figure.axes[-1]
    assert bar.get_xlabel().startswith("what a place with the 3 × 3 around it adds to r\n")
    assert [label.get_text() for label in bar.get_xticklabels()] == ["−0.022", "0", "+0.022"]
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert words == ["no map:\nundefined"]
    assert [axes.get_title(loc="left") for axes in figure.axes[:4:2]] == ["$a", "b"]
    single = draw_pair(found(np.zeros((2, 2, 2)), 1.0, 1), photographs)
    assert single.axes[-1].get_xlabel().startswith("what a place adds to r\n")
