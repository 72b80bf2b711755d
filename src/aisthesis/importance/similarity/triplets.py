"""Alignment importance for choices among three images: what channels and places do to the share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.importance.similarity.embeddings import Embeddings
from aisthesis.importance.similarity.scores import Removal
from aisthesis.importance.similarity.standard import set_up, standard_rows
from aisthesis.importance.similarity.updates import ChannelUpdate
from aisthesis.judgments.similarity.triplet_shares import Choices

__all__ = ["TripletScores", "place_triplets", "triplet_scores"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TripletScores:
    """How many choices a network's similarities predict, and what each channel does to it.

    Attributes
    ----------
    share, low, high : float
        Share of the choices, with its 95% interval over choices.
    data_set : (C,)
        AIS_c of the share: the share minus that with channel c removed for all images.
    log_likelihood : float
        Mean log-likelihood of a choice, in nats.
    likelihood : (C,)
        The same of it: finer where the share is coarse.
    sharpness : float
        Of the choices, fitted once with all channels.
    """

    share: float
    low: float
    high: float
    data_set: Array
    log_likelihood: float
    likelihood: Array
    sharpness: float


def triplet_scores(
    embeddings: Embeddings,
    choices: Choices,
    *,
    removal: Removal = "ablate",
    advance: Callable[[int], None] = lambda n: None,
) -> TripletScores:
    """Importance of every channel for predicting which pair of three images people choose.

    A network chooses the pair with the highest similarity (Pearson's r of the embeddings); ties
    are shared. Its chance to choose a pair, for the log-likelihood, is the pair's share of
    ``exp(sharpness * similarity)``.

    Parameters
    ----------
    embeddings : OwnedEmbeddings or DenseEmbeddings
        Of N images and C channels.
    choices : Choices
        Among these images.
    removal : {"ablate", "delete"}
        As of `alignment_scores`.
    advance : callable
        Told how many channels were just done.

    Returns
    -------
    TripletScores
        NaN where an embedding becomes constant without the channel, or no choice is defined.
    """
    ready = set_up(embeddings, np.zeros((embeddings.n, embeddings.n)))
    flat = ready.mask.sum(1) == 0
    intact = _without_flat(ready.p, flat)
    values = choices.values(intact)
    each = choices.predicted(values)
    sharpness = choices.sharpness(intact) if np.isfinite(each).any() else float("nan")
    share, likelihood = choices.mean(each), choices.mean(choices.log_likelihood(values, sharpness))
    by_share, by_likelihood = np.zeros(embeddings.channels), np.zeros(embeddings.channels)
    for channel in range(embeddings.channels):
        columns, by = embeddings.change(channel)
        if len(columns):
            update = ChannelUpdate(ready, ready.z[:, columns], by / ready.length[:, None])
            changed = choices.values(_without_flat(update.data_set(removal), flat))
            lost = np.isnan(changed).any(axis=1) & np.isfinite(each)
            if lost.any():  # shares of other choices cannot be compared
                by_share[channel] = by_likelihood[channel] = np.nan
            else:
                by_share[channel] = share - choices.mean(choices.predicted(changed))
                told = choices.mean(choices.log_likelihood(changed, sharpness))
                by_likelihood[channel] = likelihood - told
        advance(1)
    return TripletScores(
        share, *choices.interval(each), by_share, likelihood, by_likelihood, sharpness
    )


def place_triplets(
    embeddings: Array, choices: Choices, image: int, without: Array, sharpness: float
) -> tuple[Array, Array]:
    """Importance of every place of one image for the choices in which the image takes part.

    Parameters
    ----------
    embeddings : (N, D)
        Of all images, intact.
    choices : Choices
        Among them.
    image : int
        Number of the image.
    without : (P, D)
        Its embedding with each of P places removed; the others keep theirs.
    sharpness : float
        As of `TripletScores`.

    Returns
    -------
    (P,), (P,)
        Share of these choices that is predicted minus that without the place; and the same of the
        mean log-likelihood. NaN where the image takes part in none, or becomes constant.
    """
    own = choices.of(image)
    undefined = np.full(len(without), np.nan)
    z, _, flat = standard_rows(np.asarray(embeddings, dtype=np.float64))
    if not len(own) or flat[image]:
        return undefined, undefined.copy()
    moved, _, gone = standard_rows(np.asarray(without, dtype=np.float64))
    # Only pairs of this image change: all others are looked up once.
    every = np.concatenate([own.one[own.one >= 0], own.other[own.other >= 0]])
    images = np.unique(every)
    place = np.full(len(z), -1)
    place[images] = np.arange(len(images))
    near = Choices(_moved(own.one, place), _moved(own.other, place), own.weight)
    at = int(place[image])
    similarity = _without_flat(z[images] @ z[images].T, flat[images])
    rows = np.where(flat[images], np.nan, moved @ z[images].T)
    values = near.values(similarity)
    share = near.mean(near.predicted(values))
    likelihood = near.mean(near.log_likelihood(values, sharpness))
    shares, likelihoods = undefined.copy(), undefined.copy()
    for number in np.flatnonzero(~gone):
        changed = similarity.copy()
        changed[at], changed[:, at] = rows[number], rows[number]
        told = near.values(changed)
        shares[number] = share - near.mean(near.predicted(told))
        likelihoods[number] = likelihood - near.mean(near.log_likelihood(told, sharpness))
    return shares, likelihoods


def _moved(index: NDArray[np.intp], place: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.where(index >= 0, place[index], -1)


def _without_flat(similarity: Array, flat: NDArray[np.bool_]) -> Array:
    """Similarities in which constant embeddings, which correlate with nothing, are undefined."""
    if not flat.any():
        return similarity
    found = similarity.copy()
    found[flat] = np.nan
    found[:, flat] = np.nan
    return found
