"""Maps of two kinds that are the same but for a sign are compared once."""

from __future__ import annotations

import numpy as np
import pytest

from aisthesis.agreement import METRICS, MapStack, metric, seed_values
from aisthesis.agreement.registration import Framed
from aisthesis.agreement.seed_values import between_seeds

SIDE, PX = 4, 24


def kinds(n=9, seed=0):
    """Evidence maps of three seeds and AIS maps: turned over, the same, or with seeds at odds."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(size=(3, n, SIDE, SIDE)).astype(np.float32)
    evidence[:, 0] = 0.0
    sign = np.ones((3, n), dtype=np.float32)
    sign[:, 3:6] = -1
    sign[0, 6:] = -1
    return evidence, evidence * sign[..., None, None]


@pytest.fixture
def compared(monkeypatch):
    images = []
    original = seed_values.compare
    monkeypatch.setattr(
        seed_values,
        "compare",
        lambda maps, *rest: images.append(len(maps[0])) or original(maps, *rest),
    )
    return images


@pytest.mark.parametrize(
    ("metrics", "left"), [(["ssim", "emd", "spearman"], 3), (["emd", "top10_iou"], 6)]
)
def test_only_what_is_new_is_compared_and_values_are_those_of_all(metrics, left, compared):
    evidence, ais = kinds()
    known = {}
    for maps in (evidence, ais):
        found = between_seeds({"a": maps}, metrics, PX, known)
        plain = between_seeds({"a": maps}, metrics, PX)
        for name in metrics:
            np.testing.assert_allclose(found[name], plain[name], atol=1e-6)
    assert compared == [9, 9, left, 9]


def test_parts_of_maps_are_told_apart(compared):
    evidence, _ = kinds()
    known = {}
    for end in (1.0, 0.8, 0.8):
        window = np.tile([0, 0, end, end], (9, 1))
        between_seeds({"a": Framed(evidence, window, PX)}, ["emd"], PX, known)
    assert compared == [9, 9]


@pytest.mark.parametrize("name", METRICS)
def test_metrics_say_whether_they_stay_if_both_maps_are_turned_over(name):
    if name == "spatial_emd":
        pytest.importorskip("ot")
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 5, SIDE, SIDE))
    one, other = (
        metric(name)(*(MapStack.of(sign * maps, PX) for maps in (a, b))).numpy() for sign in (1, -1)
    )
    assert np.allclose(one, other, atol=1e-6) == metric(name).even
