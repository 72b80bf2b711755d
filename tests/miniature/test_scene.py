from __future__ import annotations

import numpy as np
import pytest

from aisthesis.errors import RequestError
from aisthesis.miniature import Difficulty, Scene
from aisthesis.miniature.scene import Evidence, sample_scene


def scenes(difficulty: Difficulty, n: int = 200, size_px: int = 224) -> list[Scene]:
    return [sample_scene(np.random.default_rng([9, k]), size_px, difficulty) for k in range(n)]


def positions(difficulty: Difficulty) -> np.ndarray:
    found = [(p.x_px, p.y_px) for scene in scenes(difficulty) for p in scene.evidence]
    return np.array(found) / 224 - 0.5


def test_faults_of_a_difficulty_are_gathered() -> None:
    with pytest.raises(RequestError, match=r"contrast = 2 .*0 to 1.*n_raters = 0"):
        Difficulty(contrast=2, n_raters=0)


def test_evidence_is_whole_and_does_not_overlap() -> None:
    for scene in scenes(Difficulty()):
        for k, piece in enumerate(scene.evidence):
            assert piece.radius_px <= piece.x_px <= scene.size_px - piece.radius_px
            assert piece.radius_px <= piece.y_px <= scene.size_px - piece.radius_px
            for other in scene.evidence[:k]:
                apart = np.hypot(piece.x_px - other.x_px, piece.y_px - other.y_px)
                assert apart > 0.95 * (piece.radius_px + other.radius_px)


def test_position_bias_gathers_evidence_in_the_middle() -> None:
    even, biased = positions(Difficulty()), positions(Difficulty(position_bias=0.7))
    assert np.abs(biased).mean() < 0.6 * np.abs(even).mean()
    np.testing.assert_allclose(even.mean(0), 0, atol=0.04)


def test_rating_rises_with_blossoms_and_falls_with_cracks() -> None:
    def rating(*evidence: Evidence) -> float:
        return Scene(224, evidence, (), None).true_rating

    weak = Evidence("raising", 50, 50, 20, 0.3)
    strong = Evidence("raising", 50, 50, 20, 0.9)
    crack = Evidence("lowering", 150, 50, 20, 0.5)
    assert rating(crack) < rating() < rating(weak) < rating(strong) <= 9
    assert rating(strong, strong, strong, strong) == 9
    assert rating(*[crack] * 6) == 1


def test_the_shortcut_follows_the_rating_as_strongly_as_asked() -> None:
    def correlation(strength: float) -> float:
        found = scenes(Difficulty(shortcut=strength))
        return float(np.corrcoef([s.frame for s in found], [s.true_rating for s in found])[0, 1])

    assert correlation(1.0) == pytest.approx(1)
    assert 0.3 < correlation(0.5) < correlation(0.8) < 1
    assert all(scene.frame is None for scene in scenes(Difficulty(), n=5))


def test_sizes_refer_to_the_unit() -> None:
    rng_a, rng_b = np.random.default_rng(5), np.random.default_rng(5)
    near = sample_scene(rng_a, 224, Difficulty(), unit_px=112)
    plain = sample_scene(rng_b, 224, Difficulty())
    assert near.evidence[0].radius_px == pytest.approx(plain.evidence[0].radius_px / 2)
