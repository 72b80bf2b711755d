"""Measures of saliency, against independent computations and, where it is installed, pysaliency."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import entropy, pearsonr
from sklearn.metrics import roc_auc_score

from aisthesis.human_maps import auc_judd, auc_shuffled, correlation, kl_divergence, nss, similarity


def some(seed: int, levels: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A map, with ties where levels are given; fixations, some of them on one cell; a density."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(5, 20, 2))
    values = rng.gamma(1.0, size=shape) if levels is None else rng.integers(0, levels, shape) * 1.0
    values.flat[0] += 1e-3
    return values, rng.integers(0, values.size, rng.integers(1, 30)), rng.gamma(1.0, size=shape)


def judd_by_hand(values: np.ndarray, points: np.ndarray) -> float:
    """Judd's curve threshold by threshold, straight between them."""
    flat = values.ravel()
    free = np.delete(flat, np.unique(points))
    curve = [(0.0, 0.0)]
    curve += [
        (float(np.mean(free >= t)), float(np.mean(flat[points] >= t)))
        for t in sorted(flat[points], reverse=True)
    ]
    curve.append((1.0, 1.0))
    return sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairwise(curve))


@pytest.mark.parametrize("levels", [None, 4])
def test_measures_equal_independent_computations(levels: int | None) -> None:
    for seed in range(12):
        values, points, density = some(seed, levels)
        flat, elsewhere = values.ravel(), np.random.default_rng(seed).integers(0, values.size, 40)
        z = (flat - flat.mean()) / np.sqrt(((flat - flat.mean()) ** 2).mean())
        assert nss(values, points) == pytest.approx(sum(z[p] for p in points) / len(points))
        assert auc_judd(values, points) == pytest.approx(judd_by_hand(values, points))
        truth = np.r_[np.ones(len(points)), np.zeros(len(elsewhere))]
        expected = roc_auc_score(truth, np.r_[flat[points], flat[elsewhere]])
        assert auc_shuffled(values, points, elsewhere) == pytest.approx(expected)
        assert correlation(values, density) == pytest.approx(
            pearsonr(flat, density.ravel()).statistic
        )
        assert kl_divergence(values, density) == pytest.approx(
            entropy(density.ravel() + 1e-20, flat + 1e-20)
        )
        shares = flat / flat.sum(), density.ravel() / density.sum()
        assert similarity(values, density) == pytest.approx(
            1 - np.abs(shares[0] - shares[1]).sum() / 2
        )


def test_measures_equal_those_of_pysaliency() -> None:
    metrics = pytest.importorskip("pysaliency.metrics")
    roc = pytest.importorskip("pysaliency.roc")
    for seed in range(12):
        values, points, density = some(seed, 4 if seed % 2 else None)
        y, x = np.divmod(points, values.shape[1])
        elsewhere = np.random.default_rng(seed).integers(0, values.size, 40)
        free = np.delete(values.ravel(), np.unique(points))
        found = {
            "nss": (nss(values, points), metrics.NSS(values, x, y).mean()),
            "judd": (auc_judd(values, points), roc.general_roc(values[y, x], free, judd=1)[0]),
            "shuffled": (
                auc_shuffled(values, points, elsewhere),
                roc.general_roc(values[y, x], values.ravel()[elsewhere], judd=0)[0],
            ),
            "cc": (correlation(values, density), metrics.CC(values, density)),
            "kl": (
                kl_divergence(values, density),
                metrics.image_based_kl_divergence(values, density),
            ),
            "sim": (similarity(values, density), metrics.SIM(values, density)),
        }
        for name, (ours, theirs) in found.items():
            assert ours == pytest.approx(theirs, abs=1e-12), name


def test_a_density_says_itself_best() -> None:
    _, _, density = some(3)
    assert correlation(density, density) == pytest.approx(1)
    assert kl_divergence(density, density) == pytest.approx(0, abs=1e-12)
    assert similarity(3 * density, density) == pytest.approx(1)


def test_chance_of_judds_area_depends_on_the_number_of_fixations() -> None:
    rng = np.random.default_rng(0)
    values = rng.permutation(400).reshape(20, 20) * 1.0
    for n in (1, 3, 30):
        found = np.mean([auc_judd(values, rng.choice(400, n, False)) for _ in range(600)])
        assert found == pytest.approx(0.5 + 1 / (2 * (n + 1)), abs=0.03)


def test_what_is_not_defined_is_nan() -> None:
    values, points, density = some(1)
    flat, none = np.ones(values.shape), np.empty(0, int)
    assert np.isnan([nss(flat, points), nss(values, none), correlation(flat, density)]).all()
    assert np.isnan([auc_judd(values, none), auc_judd(values, np.arange(values.size))]).all()
    assert np.isnan([auc_shuffled(values, points, none), auc_shuffled(values, none, points)]).all()
    zero = np.zeros(values.shape)
    assert np.isnan([kl_divergence(zero, density), similarity(values, zero)]).all()
    broken = np.where(values == values.max(), np.nan, values)
    assert np.isnan([nss(broken, points), auc_judd(broken, points)]).all()
    assert auc_judd(flat, points) == auc_shuffled(flat, points, points) == 0.5
