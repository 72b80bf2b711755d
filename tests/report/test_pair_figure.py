"""The figure of a pair says its similarity and its scale."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from aisthesis.report.charts.drawing import Drawing
from aisthesis.report.pictures.pair_figure import draw_pair

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
    drawing = draw_pair(found(values, similarity, 3), photographs)
    assert drawing.title == ("n, l", f"similarity of the two: {said}")
    texts = said_in(drawing)
    assert "what a place with the 3 × 3 around it adds to r" in texts
    assert {"−0.022", "0", "+0.022", "no map: undefined"} <= set(texts)
    assert [text for text in texts if text in ("$a", "b")] == ["$a", "b"]
    assert len(drawing.pictures) == 3
    single = draw_pair(found(np.zeros((2, 2, 2)), 1.0, 1), photographs)
    assert "what a place adds to r" in said_in(single)
    assert len(single.pictures) == 4


def said_in(drawing: Drawing) -> list[str]:
    return [one.text for one in ET.fromstring(drawing.svg()).iter("text")]
