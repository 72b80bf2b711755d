"""Values that can be read in two ways, and subjects that gave different kinds of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.errors import RequestError
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.judgments.similarity.judgments import read_similarities

NAMES = [f"{i}.png" for i in range(6)]
UPPER = np.triu_indices(6, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,234", "'1,234', write 1234 or 1.234"),
        ("12,500", "write 12500 or 12.500"),
        ("1,234,567", "write 1234567\\)"),
        ("1,234.5", "write 1234.5\\)"),
        ("4,5", "a decimal comma.*write 4.5"),
        ("0,125", "a decimal comma.*write 0.125"),
    ],
)
def test_a_comma_is_advised_on_as_it_may_be_meant(tmp_path, text, words) -> None:
    (tmp_path / "r.csv").write_text(f'image,rating\na.jpg,999\nb.jpg,"{text}"\n')
    with pytest.raises(RequestError, match=words):
        read_ratings(tmp_path / "r.csv")


def _long(path, values, column, subject=None) -> None:
    rows = {"image_a": [NAMES[i] for i in UPPER[0]], "image_b": [NAMES[j] for j in UPPER[1]]}
    rows |= {column: values[UPPER]} | ({} if subject is None else {"subject": subject})
    pd.DataFrame(rows).to_csv(path, index=False)


def _distances() -> np.ndarray:
    points = np.random.default_rng(0).random((6, 2))
    return np.linalg.norm(points[:, None] - points[None], axis=2)


@pytest.mark.parametrize("swapped", [False, True])
def test_each_subject_is_read_by_its_own_kind(tmp_path, swapped) -> None:
    d = _distances()
    kinds = [("similarity", 1 - d / d.max()), ("dissimilarity", d)]
    for who, (column, values) in zip("pq", kinds[::-1] if swapped else kinds, strict=True):
        _long(tmp_path / f"{who}.csv", values, column)
    read = read_similarities(tmp_path)
    assert (read.given, read.subjects) == ("mixed", ("p", "q"))
    for matrix in read.of(NAMES).dissimilarity:
        assert np.corrcoef(matrix[UPPER], d[UPPER])[0, 1] > 0.999


def test_long_tables_without_subjects_are_named_after_their_files(tmp_path) -> None:
    for who in ("01", "NA"):
        _long(tmp_path / f"{who}.csv", _distances(), "dissimilarity")
    files = [tmp_path / "NA.csv", tmp_path / "01.csv"]
    assert read_similarities(tmp_path).subjects == ("01", "NA")
    assert read_similarities(files).subjects == ("NA", "01")
    assert read_similarities(files[0]).subjects == ("mean",)
    _long(files[0], _distances(), "dissimilarity", "7")
    assert read_similarities(tmp_path).subjects == ("01", "7")
