from __future__ import annotations

import numpy as np
import pytest
import torch

from aisthesis.heads import FitOptions, evaluate, fit_mlp, fit_ridge


@pytest.fixture(scope="module")
def problem():
    """Ratings that are a noisy nonlinear function of a 20-D embedding."""
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(400, 20, generator=generator) * 3 + 1
    y = 40 + 5 * z[:, 0] - 4 * z[:, 1] + 3 * z[:, 2].abs()
    y = y + torch.randn(400, generator=generator)
    return z, y, np.arange(240), np.arange(240, 320), np.arange(320, 400)


QUICK = FitOptions(hidden=32, dropout=0.1, learning_rate=3e-3)


def test_the_mlp_learns_and_beats_the_mean(problem) -> None:
    z, y, train, validation, test = problem
    fitted = fit_mlp(z, y, train, validation, QUICK, seed=0)
    scores = evaluate(y[test].numpy(), fitted.head(z[test]).numpy(), n_boot=0)
    assert scores["plcc"] > 0.95
    held_out = ((fitted.head(z[validation]) - y[validation]) ** 2).mean()
    assert float(held_out) == pytest.approx(fitted.validation_mse, rel=1e-5)


def test_same_seed_same_head_other_seed_other_head(problem) -> None:
    z, y, train, validation, _ = problem
    options = FitOptions(hidden=8, epochs=3)
    a, b, c = (fit_mlp(z, y, train, validation, options, seed=s).head(z) for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)


def test_fitting_leaves_the_global_random_state_alone(problem) -> None:
    z, y, train, validation, _ = problem
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit_mlp(z, y, train, validation, FitOptions(epochs=1), seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_standardisation_uses_training_images_only(problem) -> None:
    z, y, train, validation, test = problem
    spoilt = z.clone()
    spoilt[test] = 1e6
    options = FitOptions(hidden=4, epochs=2)
    clean = fit_mlp(z, y, train, validation, options).head
    other = fit_mlp(spoilt, y, train, validation, options).head
    assert torch.equal(clean.embedding_mean, other.embedding_mean)
    assert torch.equal(clean(z), other(z))


def test_a_constant_feature_does_no_harm(problem) -> None:
    z, y, train, validation, _ = problem
    z = torch.cat([z, torch.full((len(z), 1), 7.0)], 1)
    head = fit_mlp(z, y, train, validation, FitOptions(hidden=4, epochs=2)).head
    assert torch.isfinite(head(z)).all()


def test_ridge_recovers_a_linear_rating(problem) -> None:
    z, _, train, validation, test = problem
    y = (z @ torch.linspace(-1, 1, 20) + 3).numpy().astype(np.float64)
    predictions, penalty = fit_ridge(z.numpy().astype(np.float64), y, train, validation)
    np.testing.assert_allclose(predictions[test], y[test], atol=1e-2)
    assert penalty == pytest.approx(0.01)
