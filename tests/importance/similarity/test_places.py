"""Alignment importance of places, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from aisthesis.errors import RequestError
from aisthesis.importance.similarity import pair_places, place_alignment

CORRELATE = {"pearson": pearsonr, "spearman": spearmanr}


def data(n: int = 9, d: int = 6, p: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    human = rng.random((n, n))
    human = human + human.T
    np.fill_diagonal(human, 0)
    return rng.normal(size=(n, d)), human, rng.normal(size=(p, d))


@pytest.mark.parametrize("measure", ["pearson", "spearman"])
def test_a_place_counts_by_what_its_removal_does_to_the_row(measure: str) -> None:
    embeddings, human, without = data()
    human[2, 5] = human[5, 2] = np.nan  # not judged

    def agreement(own: np.ndarray) -> float:
        others = [j for j in range(9) if j not in (2, 5)]
        alike = [pearsonr(own, embeddings[j])[0] for j in others]
        return -float(CORRELATE[measure](alike, human[2, others])[0])

    found = place_alignment(embeddings, human, 2, without, measure=measure)
    expected = [agreement(embeddings[2]) - agreement(one) for one in without]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_place_of_a_pair_counts_by_what_it_does_to_their_similarity() -> None:
    embeddings, _, without = data()
    found = pair_places(without, embeddings[0], embeddings[1])
    whole = pearsonr(embeddings[0], embeddings[1])[0]
    expected = [whole - pearsonr(one, embeddings[1])[0] for one in without]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # A place that moves nothing counts nothing, to the last digit.
    assert pair_places(embeddings[:1], embeddings[0], embeddings[1])[0] == 0


def test_what_is_undefined_is_nan() -> None:
    embeddings, human, without = data()
    without[1] = 3.0
    scores = place_alignment(embeddings, human, 0, without)
    assert np.isnan(scores).tolist() == [False, True, False, False]
    assert np.isnan(pair_places(without, embeddings[0], embeddings[1])).tolist() == [
        False, True, False, False,
    ]  # fmt: skip
    embeddings[0] = 1.0
    assert np.isnan(place_alignment(embeddings, human, 0, without)).all()
    assert np.isnan(pair_places(without, embeddings[0], embeddings[1])).all()
    with pytest.raises(RequestError, match=r"got \(9, 6\) and \(4, 5\)"):
        place_alignment(embeddings, human, 0, without[:, :5])
