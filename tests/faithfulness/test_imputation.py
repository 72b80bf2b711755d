from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

from aisthesis.errors import RequestError
from aisthesis.faithfulness.baselines import BASELINES, NOISE_SD, fill_of
from aisthesis.faithfulness.imputation import impute_linearly


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 0.98))
def test_imputation_equals_pytorch_grad_cams(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(3, 9, 13))
    missing = rng.uniform(size=(9, 13)) < share
    missing[0, 0], missing[4, 4] = False, True
    theirs = NoisyLinearImputer(noise=0.0)(
        torch.from_numpy(image).float(), torch.from_numpy(~missing).float()
    )
    np.testing.assert_allclose(impute_linearly(image, missing), theirs.numpy(), atol=2e-5)


def test_a_large_hole_solves_its_own_equations() -> None:
    image = np.random.default_rng(0).normal(size=(1, 60, 70))
    missing = np.zeros((60, 70), bool)
    missing[3:58, 2:66] = True
    filled = impute_linearly(image, missing)[0]
    weights = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12
    for y, x in ((3, 2), (30, 30), (57, 65)):
        around = (filled[y - 1 : y + 2, x - 1 : x + 2] * weights).sum()
        assert filled[y, x] == pytest.approx(around, abs=1e-5)
    np.testing.assert_array_equal(filled[~missing], image[0][~missing])


def test_a_smooth_slope_is_restored() -> None:
    slope = np.add.outer(np.arange(20.0), 2 * np.arange(24.0))[None]
    missing = np.zeros((20, 24), bool)
    missing[5:15, 4:20] = True
    np.testing.assert_allclose(impute_linearly(slope, missing), slope, atol=1e-3)


def test_nothing_missing_and_everything_missing() -> None:
    image = np.random.default_rng(0).normal(size=(3, 5, 6))
    np.testing.assert_array_equal(impute_linearly(image, np.zeros((5, 6), bool)), image)
    flat = impute_linearly(image, np.ones((5, 6), bool))
    np.testing.assert_allclose(flat, np.broadcast_to(image.mean((1, 2))[:, None, None], (3, 5, 6)))


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(RequestError, match="expected an image"):
        impute_linearly(np.zeros((3, 4, 4)), np.zeros((4, 5), bool))


@pytest.mark.parametrize("baseline", BASELINES)
def test_only_removed_pixels_change(baseline: str) -> None:
    image = torch.randn(3, 16, 20, generator=torch.Generator().manual_seed(0))
    removed = torch.zeros(3, 16, 20, dtype=torch.bool)
    removed[1, 4:9, 3:12], removed[2] = True, True
    filled = fill_of(baseline, image)(removed)
    assert filled.shape == (3, 3, 16, 20)
    assert filled.dtype == image.dtype
    for each, mask in zip(filled, removed, strict=True):
        torch.testing.assert_close(each[:, ~mask], image[:, ~mask])
        if mask.any():
            assert not torch.allclose(each[:, mask], image[:, mask])
            # what is left varies less than what was there
            assert each[:, mask].std() < image[:, mask].std()


def test_the_imputations_noise_is_seeded_and_of_the_stated_size() -> None:
    image = torch.zeros(3, 40, 40, dtype=torch.float64)
    removed = torch.ones(1, 40, 40, dtype=torch.bool)
    one, again, other = (fill_of("noisy_linear", image, seed=s)(removed) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert float(one.std()) == pytest.approx(NOISE_SD, rel=0.05)


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(RequestError, match="expected a baseline blur, mean or noisy_linear"):
        fill_of("black", torch.zeros(3, 4, 4))
