"""Retention curves and their validation against a direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from aisthesis.errors import RequestError
from aisthesis.importance.similarity import (
    OwnedEmbeddings,
    alignment_scores,
    best_size,
    fold_numbers,
    paired_test,
    ranked,
    retained_dissimilarity,
    retention_curve,
    retention_sizes,
    signed_square,
    validate,
)

N, C = 24, 15
RNG = np.random.default_rng(5)
# Seven entries that people care about, five that they do not, and three that no channel owns.
OWNER = np.concatenate([np.arange(C - 3), np.full(3, -1)])
INTACT = RNG.random((N, C)) + 0.1
REST = 0.2 * RNG.random((N, C))
EMBEDDINGS = OwnedEmbeddings(INTACT, np.where(OWNER < 0, INTACT, REST), OWNER, C)
HUMAN = 1 - np.corrcoef(INTACT[:, :7]) + 0.1 * np.triu(RNG.random((N, N)), 1)
HUMAN = np.triu(HUMAN, 1) + np.triu(HUMAN, 1).T


def agreement(z: np.ndarray, index: np.ndarray) -> float:
    upper = np.triu_indices(len(index), 1)
    human = HUMAN[np.ix_(index, index)]
    return np.corrcoef(np.corrcoef(z[index])[upper], -human[upper])[0, 1]


def kept(order: np.ndarray, n: int, how: str) -> np.ndarray:
    own = np.isin(OWNER, order[:n]) | (OWNER < 0)
    return INTACT[:, own] if how == "columns" else np.where(own, INTACT, EMBEDDINGS.emptied)


@pytest.mark.parametrize("how", ["columns", "ablate"])
def test_the_curve_is_that_of_each_retained_embedding(how) -> None:
    order = np.random.default_rng(1).permutation(C)
    sizes = np.array([1, 4, 9, C])
    parts = (np.arange(16), np.arange(16, N))
    curve = retention_curve(EMBEDDINGS, HUMAN, order, sizes, parts, retained=how)
    for s, part in enumerate(parts):
        for g, n in enumerate(sizes):
            expected = agreement(kept(order, n, how), part)
            assert curve[s, g] == pytest.approx(expected, abs=1e-10)
    found = retained_dissimilarity(EMBEDDINGS, order[:4], retained=how)
    np.testing.assert_allclose(found, 1 - np.corrcoef(kept(order, 4, how)), atol=1e-10)


def test_ranks_put_undefined_scores_last_and_ties_in_order() -> None:
    assert ranked(np.array([0.1, np.nan, 0.3, 0.1])).tolist() == [2, 0, 3, 1]
    sizes = np.array([1, 2, 3])
    assert best_size(sizes, np.array([np.nan, 0.5, 0.5])) == 2
    with pytest.raises(RequestError, match="undefined"):
        best_size(sizes, np.full(3, np.nan))


def test_sizes_are_all_or_evenly_spread() -> None:
    assert retention_sizes(5).tolist() == [1, 2, 3, 4, 5]
    many = retention_sizes(2048, 100)
    assert len(many) == 100
    assert many[0] == 1
    assert many[-1] == 2048


def test_validation_by_hand() -> None:
    sizes = retention_sizes(C)
    found = validate(EMBEDDINGS, HUMAN, sizes=sizes, folds=3, repeats=2, seed=7)
    numbers = fold_numbers(N, 3, 2, 7)
    assert len(found.table) == 6
    for k, row in enumerate(found.table.itertuples()):
        train = np.flatnonzero(numbers[row.repeat] != row.fold)
        test = np.flatnonzero(numbers[row.repeat] == row.fold)
        scores = alignment_scores(EMBEDDINGS.rows(train), HUMAN[np.ix_(train, train)], images=False)
        order = ranked(scores.data_set)
        curve = [agreement(kept(order, n, "columns"), train) for n in sizes]
        n = int(sizes[int(np.nanargmax(curve))])
        assert row.n_retained == n
        assert row.r2_full == pytest.approx(signed_square(agreement(INTACT, test)))
        z = kept(order, n, "columns")
        assert row.r2_retained == pytest.approx(signed_square(agreement(z, test)))
        assert row.agreement_train_retained == pytest.approx(max(curve))
        assert found.selected[k].sum() == n
        np.testing.assert_allclose(found.train[k], curve, atol=1e-10)
    # Judgments that rest on seven of the entries are predicted better without the others.
    assert found.table["difference"].mean() > 0.05


def test_held_out_images_decide_nothing() -> None:
    numbers = fold_numbers(N, 3, 1, 0)[0]
    changed = HUMAN.copy()
    test = np.flatnonzero(numbers == 0)
    changed[np.ix_(test, test)] = (
        np.random.default_rng(0)
        .permutation(changed[np.ix_(test, test)].ravel())
        .reshape(len(test), -1)
    )
    changed = (changed + changed.T) / 2
    cross = numbers != 0
    changed[np.ix_(cross, ~cross)] = changed[np.ix_(~cross, cross)].T
    keys = {"sizes": retention_sizes(C), "folds": 3, "repeats": 1, "seed": 0}
    a, b = validate(EMBEDDINGS, HUMAN, **keys), validate(EMBEDDINGS, changed, **keys)
    np.testing.assert_array_equal(a.selected[0], b.selected[0])
    assert a.table["agreement_full"][0] != b.table["agreement_full"][0]


def test_each_image_is_held_out_once_a_repeat() -> None:
    numbers = fold_numbers(26, 4, 3, 0)
    for row in numbers:
        assert sorted(np.bincount(row)) == [6, 6, 7, 7]
    assert (numbers[0] != numbers[1]).any()
    np.testing.assert_array_equal(numbers, fold_numbers(26, 4, 3, 0))
    with pytest.raises(RequestError, match="at most 2 folds"):
        fold_numbers(10, 4, 1, 0)


def test_the_paired_test_is_students_with_a_wider_error() -> None:
    values = np.random.default_rng(2).normal(0.3, 1, 12)
    plain = paired_test(values, 0.0)
    expected = ttest_1samp(values, 0)
    assert (plain.t, plain.p) == pytest.approx((expected.statistic, expected.pvalue))
    interval = expected.confidence_interval()
    assert (plain.low, plain.high) == pytest.approx(tuple(interval))
    corrected = paired_test(values, 1 / 3)
    assert corrected.t == pytest.approx(plain.t * np.sqrt((1 / 12) / (1 / 12 + 1 / 3)))
    assert corrected.p > plain.p
    lone = paired_test(np.array([0.1, np.nan]), 0.3)
    assert lone.mean == 0.1
    assert np.isnan([lone.low, lone.p]).all()
