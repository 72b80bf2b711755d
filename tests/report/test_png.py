"""PNG files of figures are read back as they were drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aisthesis.report.png import png_bytes


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (13, 29)])
def test_a_picture_comes_back_byte_for_byte(shape) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    read = Image.open(io.BytesIO(png_bytes(pixels, 300)))
    read.load()
    assert read.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(read), pixels)
    assert read.info["dpi"] == pytest.approx((300, 300), abs=0.1)
