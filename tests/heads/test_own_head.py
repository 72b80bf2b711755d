"""A head of the user's own: fitted, kept and read again like the package's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.errors import RequestError
from aisthesis.heads import FitOptions, OwnHead, fit_mlp, load_head, save_head


def linear(embedding_dim: int) -> nn.Module:
    return nn.Linear(embedding_dim, 1)


@pytest.fixture(scope="module")
def data():
    torch.manual_seed(0)
    z = torch.randn(60, 5)
    return z, 3 + 2 * z[:, 0] - z[:, 1]


def fitted(data, head):
    import numpy as np

    options = FitOptions(head=head, learning_rate=0.05, epochs=200)
    return fit_mlp(*data, np.arange(40), np.arange(40, 60), options, seed=0).head


def test_it_learns_and_comes_back_from_its_file(data, tmp_path) -> None:
    head = fitted(data, linear)
    z, y = data
    assert isinstance(head, OwnHead)
    assert (head(z) - y).abs().max() < 0.05  # in rating units
    save_head(head, tmp_path / "h.safetensors", {"seed": "0"})
    again, metadata = load_head(tmp_path / "h.safetensors")
    assert torch.equal(again(z), head(z))
    assert metadata == {"seed": "0"}
    assert not again.silent(z).any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: nn.Linear(d, 2), r"a value of shape \(2, 2\)"),
        (lambda d: nn.Flatten(), r"nothing to learn"),
        (lambda d: nn.Linear(d + 1, 1), "cannot be made for embeddings of 5 values: RuntimeError"),
        ("json:loads", "cannot be made for embeddings of 5 values: TypeError"),
    ],
)
def test_what_is_no_head_is_refused_in_a_sentence(data, make, words) -> None:
    if callable(make):
        make.__name__ = "mine"
    with pytest.raises(RequestError, match=words):
        fitted(data, make)
