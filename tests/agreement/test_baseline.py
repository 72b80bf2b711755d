"""Importance maps against the plain activation."""

from __future__ import annotations

import numpy as np
import pytest

from aisthesis.agreement import activation_baseline, agree, summarise
from aisthesis.errors import RequestError


def test_baseline_is_the_agreement_with_the_activation():
    rng = np.random.default_rng(0)
    maps = {"b": rng.normal(size=(9, 7, 7)), "a": rng.normal(size=(9, 14, 14))}
    activations = {"a": 2 * maps["a"] + 1, "b": rng.normal(size=(9, 7, 7))}
    table = activation_baseline(maps, activations, ["mse", "cosine"])
    assert list(table) == ["image", "metric", "backbone", "value"]
    assert table["backbone"].tolist() == ["b"] * 18 + ["a"] * 18
    assert table["metric"].tolist() == ["mse", "cosine"] * 18
    assert table["image"].tolist()[:4] == [0, 0, 1, 1]
    own = table.query("backbone == 'b' and metric == 'cosine'")["value"]
    np.testing.assert_allclose(own, agree(maps["b"], activations["b"])["cosine"])
    summary = summarise(table)
    assert summary.query("backbone == 'a' and metric == 'cosine'")["mean"].item() == pytest.approx(
        1
    )


def test_missing_activations_are_named():
    with pytest.raises(RequestError, match="those of vgg16 are missing"):
        activation_baseline({"vgg16": np.zeros((1, 7, 7))}, {})
