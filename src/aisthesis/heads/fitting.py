"""Fit heads on embeddings that were computed once, with early stopping."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisthesis.errors import AisthesisError, RequestError
from aisthesis.heads.adamw import AdamW
from aisthesis.heads.mlp import MLPHead, OwnHead, RatingHead
from aisthesis.heads.rows import Embeddings, in_blocks
from aisthesis.heads.scale import scale_of
from aisthesis.parts import given_name

# Of the default initialisation of the hidden layer, whose effect on a channel's score is many times
# what is learnt where an embedding has hundreds of entries: measured on raise/ with SqueezeNet
# (five seeds), the cosine between two seeds' evidence maps is .47 at 1 and .78 at .1, the held-out
# PLCC .62 and .63.
_INITIAL_SCALE = 0.1
# Positive biases keep units active around the mean embedding; with all of them off a head is
# constant there and its map flat.
_INITIAL_BIAS = 0.3

__all__ = ["HEAD_START", "FitOptions", "FittedMLP", "fit_mlp"]

#: How a head begins, for the record.
HEAD_START = {"scale": _INITIAL_SCALE, "bias": _INITIAL_BIAS}


@dataclass(frozen=True)
class FitOptions:
    """How a head is trained; the defaults suit a few hundred to some thousands of images.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    dropout : float
        Share of hidden units dropped while training, in [0, 1).
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Images a step.
    epochs : int
        At most so many passes over the training images.
    patience : int
        Stop after so many epochs without a lower validation loss; the best epoch is kept.
    head : str or callable
        What makes a head of the user's own (see `OwnHead`), or its name; else the MLP is fitted.
    """

    hidden: int = 16
    dropout: float = 0.2
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    batch_size: int = 32
    epochs: int = 500
    patience: int = 30
    head: str | Callable[[int], nn.Module] = ""


@dataclass(frozen=True)
class FittedMLP:
    """A fitted head with the epoch it was taken from and its validation MSE (rating units²)."""

    head: RatingHead
    best_epoch: int
    validation_mse: float


def fit_mlp(
    embeddings: Embeddings,
    ratings: Tensor,
    train: NDArray[np.intp],
    validation: NDArray[np.intp],
    options: FitOptions | None = None,
    *,
    seed: int = 0,
) -> FittedMLP:
    """Fit a head by mean squared error with early stopping on the validation images.

    It is an MLP unless `options` name what makes another.

    Parameters
    ----------
    embeddings : Tensor, shape (N, D)
        Or rows on the disk, which are read batch by batch.
    ratings : Tensor, shape (N,)
        In rating units; float64 where float32 is too coarse for their scale.
    train, validation : index arrays into the N images
    seed : int
        Of the initialisation, the order of the images and the dropout. The global random state
        of torch is left as it was.

    Returns
    -------
    FittedMLP
        Its head is in eval mode, on the CPU, without gradients.

    Raises
    ------
    RequestError
        If there is nothing to learn: an embedding or rating is not finite, or all training images
        have the same rating or the same embedding.
    AisthesisError
        If no epoch gave a finite validation loss.
    """
    options = options or FitOptions()
    _require_variety(embeddings, ratings, train, validation)
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        head = _initial_head(scale_of(embeddings, train), ratings[train], options)
        best_state, best_epoch, best_mse = _descend(
            head, embeddings, ratings, torch.as_tensor(train), validation, options
        )
    if best_epoch < 0:
        raise AisthesisError(
            f"the head could not be trained: its loss was never finite in {options.epochs} epochs; "
            f"lower `learning_rate` (now {options.learning_rate:g})"
        )
    head.load_state_dict(best_state)
    return FittedMLP(head.eval().requires_grad_(False), best_epoch, best_mse)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices this small lose more by handing work to threads than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _initial_head(
    scale: tuple[NDArray[np.float64], NDArray[np.float64]], ratings: Tensor, options: FitOptions
) -> RatingHead:
    """A head that has learnt nothing, with the scale of its embeddings (mean, SD) and ratings."""
    mean, sd = scale
    head: RatingHead
    if options.head:
        own = options.head
        name = own if isinstance(own, str) else given_name("head", own)
        head = OwnHead(len(mean), name)
    else:
        head = mlp = MLPHead(len(mean), options.hidden, options.dropout)
        with torch.no_grad():
            mlp.hidden.weight.mul_(_INITIAL_SCALE)
            mlp.hidden.bias.uniform_(0, _INITIAL_BIAS)
    head.embedding_mean.copy_(torch.from_numpy(mean))
    head.embedding_sd.copy_(torch.from_numpy(sd))
    y = ratings.double()
    head.set_scale(float(y.mean()), float(y.std(correction=0)))
    return head


def _require_variety(
    embeddings: Embeddings, ratings: Tensor, train: NDArray[np.intp], validation: NDArray[np.intp]
) -> None:
    used = np.concatenate([train, validation])
    finite = all(
        bool(torch.isfinite(embeddings[some]).all()) for some in in_blocks(embeddings, used)
    )
    if not (finite and torch.isfinite(ratings[used]).all()):
        raise RequestError(
            "expected finite embeddings and ratings to fit a head on, got NaN or infinity; leave "
            "out images without a rating, and check the network's weights"
        )
    y, first = ratings[train].double(), embeddings[train[:1]]
    if not float(y.std(correction=0)) > 1e-12 * float(y.abs().max()):
        raise RequestError(
            f"all {len(train)} training images have the same rating ({float(y[0]):g}), so there is "
            "nothing to predict; ratings that differ between images are needed"
        )
    if all(bool((embeddings[some] == first).all()) for some in in_blocks(embeddings, train)):
        raise RequestError(
            f"all {len(train)} training images have the same embedding, so nothing can be "
            "predicted from it; check the network's weights and transform"
        )


def _descend(
    head: RatingHead,
    embeddings: Embeddings,
    ratings: Tensor,
    train: Tensor,
    validation: NDArray[np.intp],
    options: FitOptions,
) -> tuple[dict[str, Any], int, float]:
    optimiser = AdamW(head.parameters(), options.learning_rate, options.weight_decay)
    loss = nn.MSELoss()
    # The loss is that of the standardised rating, whatever scale it was given on.
    scale = float(head.rating_sd)
    target = ((ratings.double() - float(head.rating_mean)) / scale).float()
    at_work = {"rating_mean": head.rating_mean, "rating_sd": head.rating_sd}
    head.set_scale(0.0, 1.0)
    best_state, best_epoch, best_mse = _state(head), -1, float("inf")
    for epoch in range(options.epochs):
        head.train()
        for batch in train[torch.randperm(len(train))].split(options.batch_size):
            optimiser.step(loss(head(embeddings[batch]), target[batch]))
        head.eval()
        mse = _mean_square(head, embeddings, target, validation)
        if mse < best_mse:
            best_state, best_epoch, best_mse = _state(head), epoch, mse
        elif epoch - best_epoch >= options.patience:
            break
    for name, value in at_work.items():
        setattr(head, name, value)
        best_state[name] = value
    return best_state, best_epoch, best_mse * scale**2


def _state(head: RatingHead) -> dict[str, Any]:
    """A copy of a head's state, in which a user's module may keep what is no tensor."""
    return {
        name: value.clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in head.state_dict().items()
    }


@torch.no_grad()
def _mean_square(
    head: RatingHead, embeddings: Embeddings, target: Tensor, index: NDArray[np.intp]
) -> float:
    """Mean squared error on some images; NaN where it overflows."""
    loss = nn.MSELoss()
    parts = [
        (len(some), float(loss(head(embeddings[some]), target[some])))
        for some in in_blocks(embeddings, index)
    ]
    if len(parts) == 1:
        return parts[0][1]
    return sum(n * one for n, one in parts) / len(index)
