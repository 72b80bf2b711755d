"""The steps as plain functions, on a user's own network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import aisthesis as ais
from aisthesis.miniature import render_study


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("f") / "p", 16, seed=2, size_px=64)


@pytest.fixture(scope="module")
def head(own, planted):
    return ais.fit(own, planted.images, planted.ratings, seed=0)


def test_maps_of_one_s_own_network(own, head, planted) -> None:
    maps = ais.explain(own, head, planted.images, planted.ratings)
    assert maps.dims == ("image", "y", "x")
    assert maps.shape == (16, 14, 14)
    assert maps.attrs["method"] == "ais"
    assert np.isfinite(maps).all()


def test_evidence_needs_no_ratings_and_ais_is_evidence_with_the_residual_s_side(
    own, head, planted
) -> None:
    evidence = ais.explain(own, head, planted.images, method="evidence")
    rating = pd.read_csv(planted.ratings).groupby("image")["rating"].mean()
    far = dict.fromkeys(rating.index, 1000.0)
    above = ais.explain(own, head, planted.images, far)
    # Every prediction is far below such ratings, so what raises it helps: AIS is the evidence.
    np.testing.assert_allclose(above, evidence, rtol=1e-6)


def test_agreement_of_two_stacks_of_maps(own, head, planted) -> None:
    maps = ais.explain(own, head, planted.images, planted.ratings)
    same = ais.agree(maps.values, maps.values, metrics=["cosine", "mse"])
    np.testing.assert_allclose(same["cosine"], 1, atol=1e-6)
    np.testing.assert_allclose(same["mse"], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"method": "gradcam"}, "did you mean grad_cam"),
        ({}, "AIS needs human ratings"),
        ({"ratings": {"absent.png": 3.0}}, r"absent\.png"),
    ],
)
def test_wrong_requests(own, head, planted, keys, words) -> None:
    with pytest.raises(ais.RequestError, match=words):
        ais.explain(own, head, planted.images, **keys)


def test_every_public_name_is_there() -> None:
    for name in ais.__all__:
        assert getattr(ais, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ais.nonsense  # noqa: B018
