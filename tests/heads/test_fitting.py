from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

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


@pytest.mark.parametrize("n", [12, 60])
def test_ridge_is_scikit_learns_at_its_penalty(n) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(3, 2, (n, 20)), rng.normal(5, 1, n)
    train, validation = np.arange(n // 2), np.arange(n // 2, n)
    predictions, penalty = fit_ridge(x, y, train, validation)
    z = (x - x[train].mean(0)) / x[train].std(0)
    theirs = Ridge(alpha=penalty, solver="svd").fit(z[train], y[train]).predict(z)
    np.testing.assert_allclose(predictions, theirs, rtol=1e-12)


def test_ridge_recovers_a_linear_rating(problem) -> None:
    z, _, train, validation, test = problem
    y = (z @ torch.linspace(-1, 1, 20) + 3).numpy().astype(np.float64)
    predictions, penalty = fit_ridge(z.numpy().astype(np.float64), y, train, validation)
    np.testing.assert_allclose(predictions[test], y[test], atol=1e-2)
    assert penalty == pytest.approx(0.01)


@pytest.fixture(scope="module")
def redundant():
    """Ratings told by each of 300 noisy copies of two factors: many weights fit equally well."""
    generator = torch.Generator().manual_seed(2)
    factors = torch.randn(300, 2, generator=generator)
    z = factors[:, torch.arange(300) % 2] + 0.5 * torch.randn(300, 300, generator=generator)
    y = 5 + factors[:, 0] - factors[:, 1]
    return z, y, np.arange(200), np.arange(200, 300)


def _effects(head: torch.nn.Module, z: torch.Tensor) -> torch.Tensor:
    """By how much each entry of an embedding moves the prediction, averaged over images."""
    z = z.clone().requires_grad_()
    return torch.autograd.grad(head(z).sum(), z)[0].mean(0)


def test_seeds_agree_on_what_each_entry_of_the_embedding_does(redundant) -> None:
    z, y, train, validation = redundant
    options = FitOptions(learning_rate=1e-3)
    effects = [
        _effects(fit_mlp(z, y, train, validation, options, seed=s).head, z) for s in range(4)
    ]
    pairs = [(i, j) for i in range(4) for j in range(i)]
    cosines = [torch.cosine_similarity(effects[i], effects[j], dim=0) for i, j in pairs]
    assert min(cosines) > 0.8
    # Each entry is a copy of a factor, so its effect has that factor's sign.
    expected = torch.tensor([1.0, -1.0])[torch.arange(300) % 2]
    for effect in effects:
        assert float((effect.sign() == expected).float().mean()) > 0.9


def test_a_head_is_nowhere_constant_around_the_mean(redundant) -> None:
    z, y, train, validation = redundant
    for seed in range(4):
        head = fit_mlp(z, y, train, validation, FitOptions(learning_rate=1e-3), seed=seed).head
        near = (z.mean(0) + 0.2 * (z - z.mean(0))).clone().requires_grad_()
        gradient = torch.autograd.grad(head(near).sum(), near)[0]
        assert (gradient.abs().sum(1) > 0).all()
