"""Regression heads: the embedding standardised, a score, back to the rating's scale."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aisthesis.backbones.state import not_finite
from aisthesis.errors import AisthesisError, RequestError, one_line
from aisthesis.parts import part
from aisthesis.store.whole import whole_file

__all__ = ["MLPHead", "OwnHead", "RatingHead", "load_head", "require_numbers", "save_head"]

#: SDs from zero at which a prediction in float32 is still good to a ten-thousandth of an SD.
_FARTHEST = 1e3


class RatingHead(nn.Module):
    """A regression head on an embedding.

    The embedding is standardised by the training set's mean and SD; `score` predicts the
    standardised rating from it; the output is on the rating's own scale.

    Parameters
    ----------
    embedding_dim : int
        Length D of the embedding.
    """

    embedding_mean: Tensor
    embedding_sd: Tensor
    rating_mean: Tensor
    rating_sd: Tensor

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("embedding_mean", torch.zeros(embedding_dim))
        self.register_buffer("embedding_sd", torch.ones(embedding_dim))
        self.register_buffer("rating_mean", torch.zeros(()))
        self.register_buffer("rating_sd", torch.ones(()))

    def score(self, standardised: Tensor) -> Tensor:
        """Standardised ratings (N, 1) from standardised embeddings (N, D)."""
        raise NotImplementedError

    def forward(self, embedding: Tensor) -> Tensor:
        """Predict ratings, shape (N,), in rating units, from embeddings of shape (N, D)."""
        score = self.score((embedding - self.embedding_mean) / self.embedding_sd)
        return score.squeeze(-1).to(self.rating_sd.dtype) * self.rating_sd + self.rating_mean

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
        """Whether the head is known to predict a constant, (N,), for embeddings (N, D)."""
        return torch.zeros(len(embedding), dtype=torch.bool)


class MLPHead(RatingHead):
    """A small head: two linear layers, a ReLU and dropout between them.

    Parameters
    ----------
    embedding_dim : int
        Length D of the embedding.
    hidden : int
        Units of the hidden layer.
    dropout : float
        Share of hidden units dropped while training, in [0, 1).
    """

    def __init__(self, embedding_dim: int, hidden: int = 16, dropout: float = 0.2) -> None:
        super().__init__(embedding_dim)
        self.hidden = nn.Linear(embedding_dim, hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, 1)

    def score(self, standardised: Tensor) -> Tensor:
        """Standardised ratings (N, 1) from standardised embeddings (N, D)."""
        found: Tensor = self.output(self.dropout(self.relu(self.hidden(standardised))))
        return found

    def __repr__(self) -> str:
        """Say its sizes and the rating scale that it predicts on."""
        return (
            f"{type(self).__name__}({self.hidden.in_features} → {self.hidden.out_features} → 1; "
            f"ratings {float(self.rating_mean):.3g} ± {float(self.rating_sd):.3g})"
        )

    @torch.no_grad()
    def silent(self, embedding: Tensor) -> Tensor:
        """Whether no hidden unit is above zero, (N,), for embeddings of shape (N, D).

        On such images the head predicts a constant, and nothing that is removed changes it.
        """
        standardised = (embedding - self.embedding_mean) / self.embedding_sd
        return (self.hidden(standardised) <= 0).all(dim=-1)


#: The tensor in a file that holds the name of what made its head, if the user's own did.
OWN = "made_by"


class OwnHead(RatingHead):
    """A head of the user's own making, fitted and kept like the package's.

    Parameters
    ----------
    embedding_dim : int
        Length D of the embedding.
    name : str
        Where what makes it is found: `package.module:attribute`, or the name of an entry point.
        It is called with D and gives a module of standardised embeddings (N, D) to standardised
        ratings, (N,) or (N, 1).

    Raises
    ------
    RequestError
        If there is no such thing, or it makes no such module.
    """

    made_by: Tensor

    def __init__(self, embedding_dim: int, name: str) -> None:
        super().__init__(embedding_dim)
        self.register_buffer(OWN, torch.tensor(list(name.encode()), dtype=torch.uint8))
        self.body = _body(embedding_dim, name)

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> OwnHead:
        """Make the head, unfitted, that a file's tensors are of."""
        name = bytes(tensors[OWN].tolist()).decode()
        return cls(len(tensors["embedding_mean"]), name)

    def score(self, standardised: Tensor) -> Tensor:
        """Standardised ratings (N, 1) from standardised embeddings (N, D)."""
        found: Tensor = self.body(standardised)
        return found.reshape(-1, 1)


def _body(embedding_dim: int, name: str) -> nn.Module:
    make = part("head", name)
    try:
        body = make(embedding_dim)
        found = body.eval()(torch.zeros(2, embedding_dim)).shape
        learns = sum(one.numel() for one in body.parameters())
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(
            f"the head {name} cannot be made for embeddings of {embedding_dim} values: "
            f"{type(error).__name__}: {one_line(str(error))} (see docs/howto-head.md)"
        ) from error
    if tuple(found) not in ((2,), (2, 1)) or not learns:
        got = "nothing to learn" if not learns else f"a value of shape {tuple(found)}"
        raise RequestError(
            f"expected the head {name} to give one number an image, (2,) or (2, 1) for two of "
            f"them, from parameters that can be learnt; got {got}"
        )
    return body.train()


def save_head(head: RatingHead, path: Path, metadata: dict[str, str]) -> None:
    """Write a head's tensors and its metadata to one safetensors file, whole or not at all."""
    tensors = {name: tensor.contiguous() for name, tensor in head.state_dict().items()}
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata=metadata)


def require_numbers(head: RatingHead) -> None:
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


def load_head(path: Path) -> tuple[RatingHead, dict[str, str]]:
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


def head_of(tensors: dict[str, Tensor]) -> RatingHead:
    """Make the head, frozen and in eval mode, that a file's tensors are of.

    Raises
    ------
    KeyError, RuntimeError, TypeError, ValueError
        If they are not those of a head, or not all numbers.
    """
    head: RatingHead
    if OWN in tensors:
        head = OwnHead.of(tensors)
    else:
        hidden, embedding_dim = tensors["hidden.weight"].shape
        head = MLPHead(embedding_dim, hidden)
    # The rating's scale is in float64 where float32 is too coarse for it.
    for name in ("rating_mean", "rating_sd"):
        setattr(head, name, getattr(head, name).to(tensors[name].dtype))
    head.load_state_dict(tensors)
    require_numbers(head)
    return head.eval().requires_grad_(False)
