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


@pytest.fixture(scope="module")
def on_scale(own, planted):
    """AIS maps by channel and by place where all ratings are multiplied and moved."""
    rating = pd.read_csv(planted.ratings).groupby("image")["rating"].mean()

    def made(factor: float, offset: float) -> list[np.ndarray]:
        scaled = (rating * factor + offset).to_dict()
        head = ais.fit(own, planted.images, scaled, seed=0)
        maps = [ais.explain(own, head, planted.images, scaled, method=m)
                for m in ("ais", "ais_place")]  # fmt: skip
        return [one.to_numpy().astype(np.float64) for one in maps]

    return made


@pytest.fixture(scope="module")
def plain(on_scale):
    return on_scale(1, 0)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1e30, 0), (1e-20, 0), (1e-28, 0), (1, 1e7), (1, -1.7e9), (1e-3, 1e3)]
)
def test_maps_scale_with_the_ratings_and_their_agreement_does_not(
    on_scale, plain, factor, offset
) -> None:
    found = on_scale(factor, offset)
    for one, expected in zip(found, plain, strict=True):
        assert np.abs(one / factor - expected).max() < 2e-5 * np.abs(expected).max()
    metrics = ["cosine", "ssim", "emd"]
    there, here = (ais.agree(*maps, metrics=metrics)[metrics] for maps in (found, plain))
    np.testing.assert_allclose(there, here, atol=1e-4)


@pytest.mark.parametrize("factor", [1e39, 1e60, 1e-40, 1e-90])
def test_scales_that_maps_cannot_be_held_on_are_refused(on_scale, factor) -> None:
    with pytest.raises(ais.RequestError, match=r"with an SD from 1e-30 to 1e.32.*fit it again"):
        on_scale(factor, 0)


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
