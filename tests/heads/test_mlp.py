from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.errors import AisthesisError
from aisthesis.heads import MLPHead, RatingEnsemble, RatingModel, load_head, save_head


def seeded_head(embedding_dim: int = 6, seed: int = 0) -> MLPHead:
    torch.manual_seed(seed)
    head = MLPHead(embedding_dim, hidden=5)
    head.embedding_mean.copy_(torch.randn(embedding_dim))
    head.embedding_sd.copy_(torch.rand(embedding_dim) + 0.5)
    head.rating_mean.fill_(50.0)
    head.rating_sd.fill_(12.0)
    return head.eval()


def test_head_standardises_and_answers_on_the_rating_scale() -> None:
    head = seeded_head()
    z = torch.randn(4, 6)
    standardised = (z - head.embedding_mean) / head.embedding_sd
    hidden = torch.relu(standardised @ head.hidden.weight.T + head.hidden.bias)
    expected = 50 + 12 * (hidden @ head.output.weight.T + head.output.bias)[:, 0]
    torch.testing.assert_close(head(z), expected)


def test_a_head_comes_back_from_its_file_as_it_was(tmp_path) -> None:
    head = seeded_head()
    save_head(head, tmp_path / "h.safetensors", {"backbone": "vgg16"})
    again, metadata = load_head(tmp_path / "h.safetensors")
    z = torch.randn(3, 6)
    assert torch.equal(head(z), again(z))
    assert metadata == {"backbone": "vgg16"}
    assert not again.training
    assert [p.name for p in tmp_path.iterdir()] == ["h.safetensors"]


@pytest.mark.parametrize("content", [b"", b"not a head at all, no", b"\xff" * 64])
def test_a_damaged_head_is_refused_by_name(tmp_path, content) -> None:
    (tmp_path / "h.safetensors").write_bytes(content)
    with pytest.raises(AisthesisError, match=r"h\.safetensors does not hold a fitted head"):
        load_head(tmp_path / "h.safetensors")


def test_an_ensemble_gives_a_column_for_each_head() -> None:
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(12, 6))
    heads = [seeded_head(seed=s) for s in range(3)]
    x = torch.randn(2, 3, 2, 2)
    together = RatingEnsemble(trunk, heads)(x)
    alone = torch.stack([RatingModel(trunk, head)(x) for head in heads], 1)
    torch.testing.assert_close(together, alone)
