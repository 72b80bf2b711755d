from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import aisthesis as ais

QUICK = {"epochs": 20, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def backbone():
    return ais.backbone("miniature:vgg16")


@pytest.fixture(scope="module")
def images():
    """Plain pictures whose brightness is their rating."""
    noise = np.random.default_rng(0).integers(0, 40, (16, 48, 48, 3))
    return (noise + np.linspace(0, 200, 16, dtype=int)[:, None, None, None]).astype(np.uint8)


def test_it_goes_through_scikit_learn_and_runs_each_image_once(backbone, images) -> None:
    y = np.linspace(1, 9, 16)
    seen = []
    hook = backbone.trunk.register_forward_hook(lambda *given: seen.append(len(given[1][0])))
    try:
        model = ais.RatingRegressor(backbone, **QUICK)
        copy = clone(model)
        assert copy.backbone is backbone
        assert copy.get_params() == model.get_params()
        assert not hasattr(copy, "head_")
        scores = cross_val_score(model, images, y, cv=2)
        assert scores.shape == (2,)
        assert np.isfinite(scores).all()
        chain = make_pipeline(FunctionTransformer(), model)
        found = cross_val_predict(chain, images, y, cv=2)
        assert sum(seen) == 16
    finally:
        hook.remove()
    chain.fit(images, y)
    assert np.corrcoef(chain.predict(images), y)[0, 1] > 0.5
    assert found.shape == (16,)


def test_paths_pictures_and_arrays_are_the_same_images(backbone, images, tmp_path) -> None:
    files = []
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        files.append(tmp_path / f"{number}.png")
    model = ais.RatingRegressor(backbone, **QUICK).fit(images, np.arange(16.0))
    expected = model.predict(images)
    for same in (files, [str(file) for file in files], list(map(Image.fromarray, images)),
                 np.array(list(map(str, files)), dtype=object)[:, None]):  # fmt: skip
        np.testing.assert_array_equal(model.predict(same), expected)


def test_wrong_requests_are_said(backbone, images) -> None:
    model = ais.RatingRegressor(backbone, **QUICK)
    with pytest.raises(NotFittedError):
        model.predict(images)
    for wrong, y, words in (
        (images, np.arange(3.0), "16 images and ratings of shape"),
        (images, np.full(16, np.nan), "got 16 that are not"),
        ("one.png", [1.0], r"give \[image\]"),
        (images / 255.0, np.arange(16.0), "multiplied by 255"),
        (["absent.png"], [1.0], "absent.png does not exist"),
        (np.zeros((5, 7)), np.arange(5.0), r"got an array of shape \(5, 7\)"),
        ([], [], "got none"),
    ):
        with pytest.raises(ais.RequestError, match=words):
            model.fit(wrong, y)
