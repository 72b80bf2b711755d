from __future__ import annotations

import unicodedata

import pandas as pd
import pytest
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.judgments.ratings.matching import match
from aisthesis.judgments.ratings.reading import Ratings, read_ratings


def ratings_of(*names: str) -> Ratings:
    return Ratings(pd.DataFrame({"image": list(names), "rating": range(len(names))}))


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / name)
    return ImageFolder(tmp_path)


@pytest.mark.parametrize("unrated", ["error", "ignore", "explain"])
def test_all_rated_images_in_the_order_of_the_table(folder, unrated):
    names = ["sub/c.png", "a.png", "b.png"]
    assert match(ratings_of(*names), folder, unrated=unrated) == names


def test_unrated_images_are_refused_left_out_or_appended(folder):
    rated = ratings_of("b.png")
    with pytest.raises(RequestError) as caught:
        match(rated, folder)
    message = str(caught.value)
    assert "2 of 3 images in" in message
    assert "have no rating: a.png, sub/c.png" in message
    assert 'unrated = "ignore"' in message
    assert 'unrated = "explain"' in message
    assert match(rated, folder, unrated="ignore") == ["b.png"]
    assert match(rated, folder, unrated="explain") == ["b.png", "a.png", "sub/c.png"]


def test_missing_and_unrated_images_are_told_at_once(folder):
    with pytest.raises(RequestError) as caught:
        match(ratings_of("a.png", "B.PNG", "zzz.png", "../x.png"), folder)
    message = str(caught.value)
    assert "3 of 4 rated images cannot be found" in message
    assert "B.PNG is not in the image folder" in message
    assert "did you mean b.png?" in message
    assert "../x.png leads out of the image folder" in message
    assert "2 of 3 images in" in message


@pytest.mark.parametrize("unrated", ["ignore", "explain"])
def test_a_missing_image_is_never_let_pass(folder, unrated):
    with pytest.raises(RequestError, match=r"1 of 1 rated images.* gone\.png is not in"):
        match(ratings_of("gone.png"), folder, unrated=unrated)


def test_long_lists_are_cut(folder):
    names = [f"gone{i:02}.png" for i in range(23)]
    with pytest.raises(RequestError) as caught:
        match(ratings_of(*names), folder, unrated="ignore")
    assert "gone09.png" in str(caught.value)
    assert "gone10.png" not in str(caught.value)
    assert "and 13 more" in str(caught.value)


def test_a_name_in_the_other_unicode_spelling_is_rated(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    Image.new("RGB", (9, 9)).save(tmp_path / decomposed)
    assert match(ratings_of(composed), ImageFolder(tmp_path)) == [composed]


def test_raise(shared):
    raise_folder = shared / "data" / "raise"
    ratings = read_ratings(raise_folder / "ratings.csv")
    names = match(ratings, ImageFolder(raise_folder / "images"))
    assert names == ratings.mean["image"].tolist()
