"""A head learns the standardised rating, whatever scale it was given on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aisthesis.errors import RequestError
from aisthesis.heads import FitOptions, evaluate, fit_mlp, fit_ridge, load_head, save_head
from aisthesis.importance.retention import correlations

TRAIN, HELD = np.arange(60), np.arange(60, 80)
OPTIONS = FitOptions(epochs=40, learning_rate=1e-2)


def _study() -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    z = torch.randn(80, 6, generator=made)
    return z, z[:, 0].double() + 0.1 * torch.randn(80, generator=made)


@pytest.mark.parametrize(
    ("factor", "offset"),
    [(1, 0), (1e30, 0), (1e-20, 0), (1e39, 0), (1, 1e7), (1, 1.7e9), (-1, -1.7e9), (1e14, 0)],
)
def test_every_rating_scale_is_learnt_alike(tmp_path, factor, offset) -> None:
    z, y = _study()
    plain = fit_mlp(z, y, TRAIN, HELD, OPTIONS, seed=1).head(z).double().numpy()
    head = fit_mlp(z, y * factor + offset, TRAIN, HELD, OPTIONS, seed=1).head
    save_head(head, tmp_path / "h.safetensors", {})
    found = load_head(tmp_path / "h.safetensors")[0](z).double().numpy()
    r = np.corrcoef(found[HELD], y[HELD].numpy())[0, 1] * np.sign(factor)
    assert r > 0.9
    if factor > 0:
        np.testing.assert_allclose((found - offset) / factor, plain, atol=2e-5)
    scores = evaluate((y * factor + offset).numpy()[HELD], found[HELD], n_boot=50)
    assert scores["plcc"] == pytest.approx(abs(r), abs=1e-6)
    assert scores["plcc_low"] < scores["plcc"] < scores["plcc_high"]
    assert 0.7 < scores["r2"] <= 1
    own = correlations((y * factor + offset).numpy()[HELD], found[HELD][:, None])[0]
    assert own == pytest.approx(abs(r), abs=1e-6)


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e20])
def test_every_scale_of_embeddings_is_learnt_alike(scale) -> None:
    z, y = _study()
    z = torch.cat([z, torch.full((80, 1), 1 / 3)], dim=1) * scale
    head = fit_mlp(z, y, TRAIN, HELD, OPTIONS, seed=1).head
    assert np.corrcoef(head(z)[HELD].numpy(), y[HELD].numpy())[0, 1] > 0.9
    ridge, _ = fit_ridge(z.double().numpy(), y.numpy(), TRAIN, HELD)
    assert np.corrcoef(ridge[HELD], y[HELD].numpy())[0, 1] > 0.9


def test_what_cannot_be_learnt_is_refused_in_a_sentence() -> None:
    z, y = _study()
    alike = y.clone()
    alike[TRAIN] = 3.0
    for embeddings, ratings, words in (
        (z, alike, "same rating"),
        (torch.ones_like(z), y, "same embedding"),
        (z / 0, y, "NaN or infinity"),
        (z, y * torch.nan, "NaN or infinity"),
    ):
        with pytest.raises(RequestError, match=words):
            fit_mlp(embeddings, ratings, TRAIN, HELD, OPTIONS)


def test_a_constant_prediction_has_no_correlation_wherever_it_lies() -> None:
    _, y = _study()
    for value in (1 / 3, 1e7 + 1 / 3, 1.7e9):
        scores = evaluate(y.numpy() + value, np.full(80, value), n_boot=0)
        assert np.isnan(scores["plcc"])
