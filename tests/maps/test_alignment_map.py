"""The heatmap of what makes an image compare to the others as people compare it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisthesis.errors import RequestError
from aisthesis.maps.weighting import alignment_map


def test_channels_count_by_their_share_of_the_positive_scores() -> None:
    rng = np.random.default_rng(0)
    scores, activation = rng.normal(size=(3, 5)), rng.normal(size=(3, 5, 4, 2))
    scores[1] = -abs(scores[1])
    scores[2, 0] = np.nan
    maps = alignment_map(torch.from_numpy(scores), torch.from_numpy(activation)).numpy()
    for i in (0, 2):
        w = np.where(scores[i] > 0, scores[i], 0)
        expected = np.tensordot(w / w.sum(), activation[i], 1)
        np.testing.assert_allclose(maps[i], expected)
    assert np.isnan(maps[1]).all()


def test_shapes_must_belong_together() -> None:
    with pytest.raises(RequestError, match=r"expected scores of shape \(2, 3\)"):
        alignment_map(torch.zeros(2, 4), torch.zeros(2, 3, 5, 5))
