"""The regression head: standardise, Linear, ReLU, Dropout, Linear, back to the rating's scale."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aisthesis.backbones.state import not_finite
from aisthesis.errors import AisthesisError
from aisthesis.whole import whole_file

__all__ = ["MLPHead", "load_head", "require_numbers", "save_head"]

#: SDs from zero at which a prediction in float32 is still good to a ten-thousandth of an SD.
_FARTHEST = 1e3


class MLPHead(nn.Module):
    """A small regression head on an embedding.

    The embedding is standardised by the training set's mean and SD; the two linear layers predict
    the standardised rating; the output is on the rating's own scale.

    Parameters
    ----------
    embedding_dim : int
        Length D of the embedding.
    hidden : int
        Units of the hidden layer.
    dropout : float
        Share of hidden units dropped while training, in [0, 1).
    """

    embedding_mean: Tensor
    embedding_sd: Tensor
    rating_mean: Tensor
    rating_sd: Tensor

    def __init__(self, embedding_dim: int, hidden: int = 16, dropout: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("embedding_mean", torch.zeros(embedding_dim))
        self.register_buffer("embedding_sd", torch.ones(embedding_dim))
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_sd", torch.ones(()))
        self.hidden = nn.Linear(embedding_dim, hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        """Predict ratings, shape (N,), in rating units, from embeddings of shape (N, D)."""
        standardised = (embedding - self.embedding_mean) / self.embedding_sd
        score = self.output(self.dropout(self.relu(self.hidden(standardised))))
        return score.squeeze(-1).to(self.rating_sd.dtype) * self.rating_sd + self.rating_mean

    def __repr__(self) -> str:
        """Say its sizes and the rating scale that it predicts on."""
        return (
            f"{type(self).__name__}({self.hidden.in_features} → {self.hidden.out_features} → 1; "
            f"ratings {float(self.rating_mean):.3g} ± {float(self.rating_sd):.3g})"
        )

    def set_scale(self, mean: float, sd: float) -> None:
        """Predict on a rating scale: in float32, or in float64 where float32 is too coarse for it.

        A scale is too coarse for float32 where the mean is so many SDs from zero that rounding
        would show in the predictions' differences, or its squares leave float32's range.
        """
        coarse = abs(mean) > _FARTHEST * sd or not 1e-15 < sd < 1e15
        dtype = torch.float64 if coarse else torch.float32
        self.rating_mean = torch.tensor(mean, dtype=dtype)
        self.rating_sd = torch.tensor(sd, dtype=dtype)

    @torch.no_grad()
    def silent(self, embedding: Tensor) -> Tensor:
        """Whether no hidden unit is above zero, (N,), for embeddings of shape (N, D).

        On such images the head predicts a constant, and nothing that is removed changes it.
        """
        standardised = (embedding - self.embedding_mean) / self.embedding_sd
        return (self.hidden(standardised) <= 0).all(dim=-1)


def save_head(head: MLPHead, path: Path, metadata: dict[str, str]) -> None:
    """Write a head's tensors and its metadata to one safetensors file, whole or not at all."""
    tensors = {name: tensor.contiguous() for name, tensor in head.state_dict().items()}
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata=metadata)


def require_numbers(head: MLPHead) -> None:
    """Refuse a head that cannot predict a number.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, or divides by zero.
    """
    spoilt = not_finite(head.state_dict())
    if spoilt:
        raise ValueError(f"NaN or infinity in {', '.join(spoilt)}")
    if not (head.rating_sd > 0).all():
        raise ValueError("rating_sd is not above zero")
    if not (head.embedding_sd > 0).all():
        raise ValueError("embedding_sd is not above zero everywhere")


def load_head(path: Path) -> tuple[MLPHead, dict[str, str]]:
    """Read a head, in eval mode, and its metadata.

    Raises
    ------
    AisthesisError
        If the file is missing or is not a head that `save_head` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
        tensors = load_file(path)
        head = head_of(tensors)
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise AisthesisError(
            f"{path} does not hold a fitted head ({error}); fit the study again"
        ) from error
    return head, metadata


def head_of(tensors: dict[str, Tensor]) -> MLPHead:
    """Make the head, frozen and in eval mode, that a file's tensors are of.

    Raises
    ------
    KeyError, RuntimeError, TypeError, ValueError
        If they are not those of a head, or not all numbers.
    """
    hidden, embedding_dim = tensors["hidden.weight"].shape
    head = MLPHead(embedding_dim, hidden)
    # The rating's scale is in float64 where float32 is too coarse for it.
    for name in ("rating_mean", "rating_sd"):
        setattr(head, name, getattr(head, name).to(tensors[name].dtype))
    head.load_state_dict(tensors)
    require_numbers(head)
    return head.eval().requires_grad_(False)
