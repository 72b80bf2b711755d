"""Second-order agreement and its ceiling against NumPy, SciPy and rsatoolbox."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from aisthesis.judgments.similarity.ceiling import agreement_with_subjects, similarity_ceiling
from aisthesis.judgments.similarity.second_order import (
    MEASURES,
    row_agreement,
    second_order,
    valid_pairs,
)

RSA = {
    "pearson": "corr",
    "spearman": "spearman",
    "cosine": "cosine",
    "whitened_cosine": "cosine_cov",
}
N = 9
UPPER = np.triu_indices(N, 1)


def judged(k: int, seed: int, missing: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.triu(rng.random((N, N)) + rng.random((k, N, N)), 1)
    values = values + values.transpose(0, 2, 1)
    for _ in range(missing):
        i, j = rng.choice(N, 2, replace=False)
        values[:, i, j] = values[:, j, i] = np.nan
    return values


def test_the_plain_measures_are_those_of_numpy_and_scipy() -> None:
    a, b = judged(2, 0)
    x, y = a[UPPER], b[UPPER]
    assert second_order(a, b) == pytest.approx(np.corrcoef(x, y)[0, 1])
    expected = spearmanr(x, y).statistic
    assert second_order(a, b, measure="spearman") == pytest.approx(expected)
    expected = x @ y / np.sqrt(x @ x * (y @ y))
    assert second_order(a, b, measure="cosine") == pytest.approx(expected)


def contrast_covariance(pairs: list[tuple[int, int]]) -> np.ndarray:
    contrasts = np.zeros((len(pairs), N))
    for row, (i, j) in enumerate(pairs):
        contrasts[row, i], contrasts[row, j] = 1, -1
    return (contrasts @ contrasts.T) ** 2


@pytest.mark.parametrize("missing", [0, 6])
def test_whitening_in_closed_form_is_that_of_the_whole_covariance(missing) -> None:
    a, b = judged(2, 1, missing)
    mask = valid_pairs(a)
    pairs = [(i, j) for i, j in zip(*UPPER, strict=True) if mask[i, j]]
    inverse = np.linalg.inv(contrast_covariance(pairs))
    x, y = (np.array([m[p] for p in pairs]) for m in (a, b))
    expected = x @ inverse @ y / np.sqrt((x @ inverse @ x) * (y @ inverse @ y))
    found = second_order(np.nan_to_num(a), np.nan_to_num(b), mask, measure="whitened_cosine")
    assert found == pytest.approx(expected)
    own = [p for p in pairs if 0 in p]
    inverse = np.linalg.inv(contrast_covariance(own))
    x, y = (np.array([m[p] for p in own]) for m in (a, b))
    expected = x @ inverse @ y / np.sqrt((x @ inverse @ x) * (y @ inverse @ y))
    rows = row_agreement(np.nan_to_num(a), np.nan_to_num(b), mask, measure="whitened_cosine")
    assert rows[0] == pytest.approx(expected)


@pytest.mark.parametrize("measure", ["pearson", "spearman", "cosine"])
def test_rows_are_compared_over_the_judged_pairs_alone(measure) -> None:
    a, b = judged(2, 2, 5)
    mask = valid_pairs(a)
    rows = row_agreement(np.nan_to_num(a), np.nan_to_num(b), mask, measure=measure)
    for i in range(N):
        chosen = mask[i] > 0
        x, y = a[i, chosen], b[i, chosen]
        expected = {
            "pearson": lambda x, y: np.corrcoef(x, y)[0, 1],
            "spearman": lambda x, y: spearmanr(x, y).statistic,
            "cosine": lambda x, y: x @ y / np.sqrt(x @ x * (y @ y)),
        }[measure](x, y)
        assert rows[i] == pytest.approx(expected)


@pytest.mark.parametrize("measure", MEASURES)
def test_undefined_values_are_nan(measure) -> None:
    a = judged(1, 3)[0]
    zero = np.zeros_like(a)
    assert np.isnan(second_order(a, zero, measure=measure))
    few = np.zeros((N, N))
    few[0, 1] = few[1, 0] = 1
    assert np.isnan(second_order(a, a, few, measure=measure))
    assert np.isnan(row_agreement(a, zero, valid_pairs(a), measure=measure)).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_agreement_and_ceilings_are_those_of_rsatoolbox(measure) -> None:
    rdm = pytest.importorskip("rsatoolbox.rdm", reason="rsatoolbox is not installed")
    inference = pytest.importorskip("rsatoolbox.inference")
    values = judged(5, 4)
    rdms = rdm.RDMs(values)
    expected = rdm.compare(rdms[0], rdms, RSA[measure])[0]
    found = agreement_with_subjects(values[0], values, measure=measure)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    low, high = inference.boot_noise_ceiling(rdms, RSA[measure])
    ceiling = similarity_ceiling(values, measure=measure)
    assert (ceiling.lower, ceiling.upper) == pytest.approx((low, high), abs=1e-9)


def test_one_subject_has_no_ceiling() -> None:
    ceiling = similarity_ceiling(judged(1, 5))
    assert np.isnan([ceiling.lower, ceiling.upper]).all()


def test_missing_pairs_leave_the_ceiling_of_the_others() -> None:
    """A pair that nobody judged counts as if it did not exist; one subject's gap is that one's."""
    values = judged(4, 6)
    values[:, 2, 5] = values[:, 5, 2] = np.nan
    values[1, 0, 3] = values[1, 3, 0] = np.nan
    vectors = values[:, *UPPER]
    z = (vectors - np.nanmean(vectors, 1, keepdims=True)) / np.nanstd(vectors, 1, keepdims=True)
    known = np.isfinite(vectors)
    with np.errstate(invalid="ignore"):
        pooled = np.nansum(z, 0) / known.sum(0)
    expected = np.mean(
        [np.corrcoef(v[k], pooled[k])[0, 1] for v, k in zip(vectors, known, strict=True)]
    )
    assert similarity_ceiling(values).upper == pytest.approx(expected)
