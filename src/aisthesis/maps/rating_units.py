"""Evidence in rating units per cell, so that maps of different networks can be added."""

from __future__ import annotations

import torch
from torch import Tensor

from aisthesis.maps.weighting import weighted_map

__all__ = ["rating_unit_map"]


def rating_unit_map(scores: Tensor, activation: Tensor) -> Tensor:
    """Spread each channel's score over the places where the channel is active.

    ``R[..., i, y, x] = sum over c of scores[..., i, c] * share[i, c, y, x]``, where a channel's
    share of a place is its rectified activation there over the sum of it over all places. A
    channel that is nowhere positive has a score but no place, and is spread evenly.

    The ordinary map, scores times activations, has a unit of its own for every network and cannot
    be averaged over networks. This one is in rating units: its sum is the sum of the channels'
    scores, and it is linear in them. Scaling the ordinary map so that its sum equals the effect of
    removing the whole layer would also give rating units, but where positive and negative parts
    cancel it divides by almost nothing, and where the two disagree in sign it turns the map round.
    How far channels act other than one by one, the effect of removing the layer less the sum of
    the scores, has no place in the image and is no part of the map.

    Parameters
    ----------
    scores
        (..., N, C) signed channel scores in rating units: evidence −Δp, or AIS.
    activation
        (N, C, h, w) output of the layer, of the same dtype and on the same device.

    Returns
    -------
    Tensor
        (..., N, h, w), rating units per cell, at the layer's own resolution.

    Raises
    ------
    RequestError
        If the shapes do not belong together or the dtypes differ.
    """
    positive = activation.clamp(min=0)
    total = positive.sum(dim=(-2, -1), keepdim=True)
    evenly = 1.0 / max(1, activation.shape[-2:].numel())
    share = torch.where(total == 0, torch.full_like(positive, evenly), positive / total)
    return weighted_map(scores, share)
