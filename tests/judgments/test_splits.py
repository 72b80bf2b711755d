from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisthesis.errors import RequestError
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.judgments.ratings.split_file import read_split
from aisthesis.judgments.ratings.splits import split


def study(n, seed=0):
    names = [f"{i:04}.jpg" for i in range(n)]
    return names, np.random.default_rng(seed).normal(size=n)


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(8, 300),
    seed=st.integers(0, 2**31),
    fit_seed=st.integers(0, 2**31),
    test=st.floats(0.05, 0.4),
    validation=st.floats(0.05, 0.4),
)
def test_parts_are_disjoint_sorted_and_together_everything(n, seed, fit_seed, test, validation):
    names, ratings = study(n)
    try:
        parts = split(
            names, ratings, test=test, validation=validation, seed=seed, fit_seed=fit_seed
        )
    except RequestError as error:
        assert "make the shares smaller" in str(error)  # noqa: PT017
        return
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == names
    assert len(parts.test) == max(2, round(test * n))
    assert len(parts.validation) == max(2, round(validation * (n - len(parts.test))))
    assert len(parts.train) >= 3
    for part in (parts.train, parts.validation, parts.test):
        assert list(part) == sorted(part)


@pytest.mark.parametrize("n", [7, 8, 9, 10])
def test_the_smallest_studies(n):
    parts = split(*study(n))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (n - 4, 2, 2)


@pytest.mark.parametrize("n", [0, 1, 6])
def test_too_few_images_says_how_many_are_needed_and_how_many_came(n):
    with pytest.raises(RequestError, match=f"at least 7 rated images .* but there are {n}"):
        split(*study(n))


def test_the_test_part_is_the_same_for_every_fit_seed_and_the_rest_is_not():
    names, ratings = study(100)
    parts = [split(names, ratings, seed=3, fit_seed=i) for i in range(5)]
    assert len({tuple(part.test) for part in parts}) == 1
    assert len({tuple(part.validation) for part in parts}) == 5
    assert tuple(split(names, ratings, seed=4).test) != tuple(parts[0].test)
    assert [part.fit_seed for part in parts] == [0, 1, 2, 3, 4]
    assert split(names, ratings, seed=3).fit_seed == 3


@pytest.mark.parametrize("constant", [True, False])
def test_row_order_does_not_matter(constant):
    names, ratings = study(60)
    if constant:
        ratings = np.repeat([1.0, 2.0, 3.0], 20)  # ties
    order = np.random.default_rng(1).permutation(60)
    first = split(names, ratings)
    second = split([names[i] for i in order], ratings[order])
    for part in ("train", "validation", "test"):
        assert list(getattr(first, part)) == list(getattr(second, part))


@pytest.mark.parametrize("seed", range(10))
def test_the_parts_span_the_range_of_ratings(seed):
    names, ratings = study(200, seed=7)
    parts = split(names, ratings, seed=seed)
    rank = dict(zip(names, ratings.argsort().argsort(), strict=True))
    ranks = np.sort([rank[name] for name in parts.test])  # one in each run of five
    assert (ranks // 5 == np.arange(40)).all()
    validation = np.sort([rank[name] for name in parts.validation])
    assert validation[0] < 10
    assert validation[-1] >= 190
    assert abs(validation.mean() - 99.5) < 5


def test_every_image_has_a_chance_of_each_part():
    names, ratings = study(20)
    tested = {name for seed in range(60) for name in split(names, ratings, seed=seed).test}
    assert tested == set(names)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"test": 0.0}, "share of test images must be between 0 and 1, got 0"),
        ({"validation": 1.0}, "share of validation images must be between 0 and 1"),
        ({"test": 0.9}, "0 of 20 images are left to train on|make the shares smaller"),
    ],
)
def test_shares_that_cannot_be(options, words):
    with pytest.raises(RequestError, match=words):
        split(*study(20), **options)


def test_ratings_that_do_not_fit():
    names, ratings = study(20)
    with pytest.raises(RequestError, match="one rating an image, got 20 images"):
        split(names, ratings[:-1])
    with pytest.raises(RequestError, match="1 of 20 are not"):
        split(names, [*ratings[:-1], np.nan])
    with pytest.raises(RequestError, match=r"0000\.jpg is there twice"):
        split([*names[:-1], names[0]], ratings)


def test_raise(shared):
    mean = read_ratings(shared / "data" / "raise" / "ratings.csv").mean
    parts = split(mean["image"], mean["rating"])
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (326, 82, 102)
    tested = mean[mean["image"].isin(parts.test)]["rating"]
    assert tested.mean() == pytest.approx(mean["rating"].mean(), abs=1)
    assert tested.std() == pytest.approx(mean["rating"].std(), rel=0.05)


def test_test_images_may_be_named():
    names, ratings = study(20)
    named = [*names[3:9], "not-rated.jpg"]
    parts = [split(names, ratings, fit_seed=seed, test_images=named) for seed in (1, 2)]
    for one in parts:
        assert list(one.test) == names[3:9]
        assert sorted([*one.train, *one.validation]) == [*names[:3], *names[9:]]
    assert list(parts[0].validation) != list(parts[1].validation)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [(slice(0, 1), "at least 2 rated test images, but 1 of 20"), (slice(0, 17), "left to train")],
)
def test_too_few_named_or_left_are_refused(named, sentence):
    names, ratings = study(20)
    with pytest.raises(RequestError, match=sentence):
        split(names, ratings, test_images=names[named])


class Photographs:
    """A folder of images that are all there but for one."""

    root = "photographs"
    names = ("a.jpg", "b.jpg", "c.jpg")

    def why_not(self, name):
        return None if name in self.names else "is not there"

    def listed_name(self, name):
        return name


def test_a_split_is_read_from_a_file(tmp_path):
    file = tmp_path / "split.csv"
    file.write_text("image,split\nb,test\nfolder/c.jpg,Validation\na.jpg,train\n")
    read = read_split(file, Photographs())
    assert read.names == ("b.jpg", "c.jpg", "a.jpg")
    assert read.test == ("b.jpg",)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a.jpg,held out", r"line 2: expected the split `test`, `train` or `validation`"),
        ("d.jpg,test", "line 2: d.jpg is not there"),
        ("a.jpg,test\na.jpg,train", "a.jpg is there twice"),
        ("a.jpg,train", "expected images with the split `test`"),
    ],
)
def test_a_wrong_split_is_said(tmp_path, rows, sentence):
    file = tmp_path / "split.csv"
    file.write_text(f"image,split\n{rows}\n")
    with pytest.raises(RequestError, match=sentence):
        read_split(file, Photographs())
