"""Embeddings on the disk: the same rows, heads and ridge as in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisthesis.heads import FitOptions, RowsOnDisk, fit_mlp, fit_ridge, mlp_fitter, rows


@pytest.fixture
def both(tmp_path, monkeypatch):
    """The same (300, 6) embeddings in memory and on the disk, read seven rows at a time."""
    monkeypatch.setattr(rows, "_BYTES_AT_ONCE", 7 * 6 * 4)
    rng = np.random.default_rng(0)
    held = (rng.normal(size=(300, 6)) * [1, 2, 3, 4, 5, 0] + 7).astype(np.float32)
    on_disk = RowsOnDisk(300, 6, tmp_path)
    order = rng.permutation(300)
    on_disk.put(order[:100], held[order[:100]])
    on_disk.put(order[100:], held[order[100:]])
    rating = held @ [1.0, -1, 0.5, 0, 0, 0] + rng.normal(size=300)
    return held, on_disk, rating


def test_rows_are_those_that_were_put(both) -> None:
    held, on_disk, _ = both
    some = np.array([5, 6, 7, 250, 3, 3, 299])
    np.testing.assert_array_equal(on_disk[some], held[some])
    np.testing.assert_array_equal(on_disk[torch.from_numpy(some)], held[some])
    np.testing.assert_array_equal(on_disk[10:20], held[10:20])
    np.testing.assert_array_equal(on_disk.take(some).take(np.array([6, 3]))[0:2], held[[299, 250]])
    np.testing.assert_array_equal(rows.with_each_block(on_disk, lambda z: 2 * z), 2 * held)


def test_ridge_by_blocks_is_ridge(both) -> None:
    held, on_disk, rating = both
    train, validation = np.arange(0, 200), np.arange(200, 250)
    expected, penalty = fit_ridge(held.astype(np.float64), rating, train, validation)
    found, same = fit_ridge(on_disk, rating, train, validation)
    assert same == penalty
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_heads_learn_the_same_from_the_disk(both) -> None:
    held, on_disk, rating = both
    train, validation = np.arange(0, 200), np.arange(200, 250)
    options, y = FitOptions(hidden=4, epochs=3, learning_rate=1e-3), torch.from_numpy(rating)
    z = torch.from_numpy(held)
    expected = fit_mlp(z, y, train, validation, options)
    found = fit_mlp(on_disk, y, train, validation, options)
    assert found.best_epoch == expected.best_epoch
    assert found.validation_mse == pytest.approx(expected.validation_mse, rel=1e-5)
    np.testing.assert_allclose(found.head(z), expected.head(z), rtol=1e-5)
    by_fold = [mlp_fitter(one, rating, options)(train, validation) for one in (held, on_disk)]
    np.testing.assert_allclose(*by_fold, rtol=1e-5)
