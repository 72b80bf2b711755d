"""Signed scores of channels and places from predictions, changes and ratings: pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch

from aisthesis.errors import RequestError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["evidence_scores", "importance_scores", "place_scores"]

Array = TypeVar("Array", np.ndarray, torch.Tensor)


def importance_scores(output: Array, delta: Array, rating: ArrayLike | torch.Tensor) -> Array:
    """Alignment importance score of every channel in every image.

    With the residual e = f − y, Δr = |e + Δp| − |e| and AIS = sign(Δr)·|Δp|: positive where
    removing the channel makes the prediction worse, negative where it makes it better. The sign
    is taken from the factored form Δr·(|e + Δp| + |e|) = Δp·(2e + Δp), so it is right even where
    Δp is far below the rounding of e.

    Parameters
    ----------
    output : (N,) or (N, K)
        Predictions f, on the rating's scale, of K heads.
    delta : (N, C) or (N, C, K)
        Δp: the prediction with the channel removed, minus `output`.
    rating : (N,) or (N, K)
        Human ratings y, for all heads or for each; NaN where an image has none.

    Returns
    -------
    (N, C) or (N, C, K)
        Scores in rating units, float64, of the kind (NumPy or torch) of `delta`; NaN for every
        channel of an image without a rating.

    Raises
    ------
    RequestError
        If the shapes do not belong together.

    References
    ----------
    Truong, Pesenti & Hasson, alignment importance scores; here for ratings, per image.
    """
    if isinstance(delta, torch.Tensor):
        f = torch.as_tensor(output, device=delta.device).to(torch.float64)
        y = torch.as_tensor(rating, device=delta.device).to(torch.float64)
        change = delta.to(torch.float64)
        _check(tuple(f.shape), tuple(change.shape), tuple(y.shape))
        residual = (f - y.reshape(*y.shape, *[1] * (f.ndim - y.ndim))).unsqueeze(1)
        return _signed(torch, residual, change)
    f_np = np.asarray(output, dtype=np.float64)
    y_np = np.asarray(rating, dtype=np.float64)
    change_np = np.asarray(delta, dtype=np.float64)
    _check(f_np.shape, change_np.shape, y_np.shape)
    own_np = y_np.reshape(*y_np.shape, *[1] * (f_np.ndim - y_np.ndim))
    residual_np = np.expand_dims(f_np - own_np, 1)
    return cast(Array, _signed(np, residual_np, change_np))


def place_scores(output: Array, delta: Array, rating: ArrayLike | torch.Tensor) -> Array:
    """AIS of every place in every image, as `importance_scores` gives for channels.

    sign(|f + Δp − y| − |f − y|)·|Δp|: positive where removing the place makes the prediction
    worse. The evidence of a place is `evidence_scores` of Δp.

    Parameters
    ----------
    output : (N,) or (N, K)
        Predictions f, on the rating's scale, of K heads.
    delta : (N, h, w) or (N, h, w, K)
        Δp: the prediction with the place removed, minus `output`.
    rating : (N,) or (N, K)
        Human ratings y, for all heads or for each; NaN where an image has none.

    Returns
    -------
    (N, h, w) or (N, h, w, K)
        Scores in rating units, float64, of the kind (NumPy or torch) of `delta`; NaN for an
        image without a rating.

    Raises
    ------
    RequestError
        If the shapes do not belong together.
    """
    shape = delta.shape
    if len(shape) != np.ndim(output) + 2:
        raise RequestError(
            "expected output (N,) or (N, K) and delta (N, h, w) or (N, h, w, K), got "
            f"{tuple(np.shape(output))} and {tuple(shape)}; score the images of one batch together"
        )
    scores = importance_scores(
        output, delta.reshape(shape[0], shape[1] * shape[2], *shape[3:]), rating
    )
    return scores.reshape(shape)


def evidence_scores(delta: Array) -> Array:
    """Evidence score −Δp: positive where the channel, or place, raises the predicted rating.

    Parameters
    ----------
    delta : any shape
        Δp in rating units.

    Returns
    -------
    same shape
        Scores in rating units, float64, of the kind (NumPy or torch) of `delta`.
    """
    if isinstance(delta, torch.Tensor):
        return -delta.to(torch.float64)
    return -np.asarray(delta, dtype=np.float64)


def _signed(xp: Any, residual: Any, change: Any) -> Any:
    # sign(Δp)·sign(2e + Δp): the product itself could underflow to zero
    side = 2 * residual + change
    score = xp.sign(change) * xp.sign(side) * abs(change)
    # torch gives NaN the sign 0, which would pass for a channel without effect
    return xp.where(xp.isnan(side), xp.nan, score)


def _check(output: tuple[int, ...], delta: tuple[int, ...], rating: tuple[int, ...]) -> None:
    fits = (
        len(output) in (1, 2)
        and len(delta) == len(output) + 1
        and delta[:1] + delta[2:] == output
        and rating in (output[:1], output)
    )
    if not fits:
        raise RequestError(
            "expected output (N,) or (N, K), delta (N, C) or (N, C, K) and rating (N,) or (N, K), "
            f"got {output}, {delta} and {rating}; score the images of one batch together"
        )
