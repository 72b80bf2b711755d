"""Does the joint removal of a ranking's first channels move the prediction more than any others?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.plan import AblationPlan
from aisthesis.errors import RequestError
from aisthesis.faithfulness.predicting import require_images

__all__ = [
    "CHANNEL_ORDERS",
    "channel_counts",
    "channel_curves",
    "channel_measures",
    "channel_sets_tested",
]

Array = NDArray[np.float64]

CHANNEL_ORDERS: tuple[str, ...] = ("highest", "lowest", "largest")
#: Random orders an image.
N_RANDOM = 10
#: Rankings that are added to those given, and cannot be given.
RANDOM, ACTIVATION = "random", "activation"


def channel_counts(n_channels: int, n_counts: int = 8) -> list[int]:
    """Numbers of channels to remove: from one to half of them, in about equal ratios."""
    if n_channels < 2:
        raise RequestError(f"expected a layer of at least 2 channels, got {n_channels}")
    spaced = np.geomspace(1, max(1, n_channels // 2), n_counts)
    return sorted({int(count) for count in np.rint(spaced)})


def channel_sets_tested(n_channels: int, n_scores: int, n_random: int = N_RANDOM) -> int:
    """How many sets of channels `channel_curves` removes from an image."""
    return ((n_scores + 1) * len(CHANNEL_ORDERS) + n_random) * len(channel_counts(n_channels))


def channel_curves(
    plan: AblationPlan,
    images: Tensor,
    scores: Mapping[str, ArrayLike],
    *,
    counts: Sequence[int] | None = None,
    n_random: int = N_RANDOM,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> xr.DataArray:
    """Remove the first k channels of each ranking together, image by image, and predict.

    The channels of a set become zero at once and what follows the layer is computed exactly, so
    what channels do together counts, not the sum of what each does alone.

    Parameters
    ----------
    plan : AblationPlan
        From `aisthesis.ablation_plan`, of a network that gives (N,) predictions, or (N, K) of K
        heads, whose mean is taken.
    images : Tensor
        Shape (N, 3, H, W).
    scores : mapping
        Channel scores (N, C) by name, ``ais`` and ``evidence`` for example; NaN where an image has
        none. ``random`` and ``activation`` (the channel's mean rectified activation) are added.
    counts : sequence of int, optional
        Numbers k of channels to remove, increasing; default `channel_counts`.
    n_random : int
        Random orders an image; the same for every ranking to be compared with.
    seed : int
        Of the random orders and of ties.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    xarray.DataArray
        Changes Δp of the prediction in rating units, dims (ranking, draw, order, image, count),
        float64. Orders: ``highest`` and ``lowest`` score first, ``largest`` magnitude first.
        Only ``random`` has several draws (NaN in the others beyond the first), and its orders are
        the same. Coordinate ``prediction`` (image): of the intact network.

    Raises
    ------
    RequestError
        If the scores, the counts or `n_random` do not fit the images and the layer.
    """
    require_images(images)
    named = {name: np.asarray(each, dtype=np.float64) for name, each in scores.items()}
    _check(named, len(images), plan.channels, n_random)
    sizes = list(counts) if counts is not None else channel_counts(plan.channels)
    if not sizes or sizes != sorted(set(sizes)) or not 1 <= sizes[0] <= sizes[-1] <= plan.channels:
        raise RequestError(
            f"expected increasing numbers of channels from 1 to {plan.channels}, got {sizes}"
        )
    names = [*named, ACTIVATION, RANDOM]
    shape = (len(names), n_random, len(CHANNEL_ORDERS), len(images), len(sizes))
    changes, intact = np.full(shape, np.nan), np.empty(len(images))
    for index in range(len(images)):
        image = images[index : index + 1]
        rng = np.random.default_rng([seed, index])
        own = {name: each[index] for name, each in named.items()}
        own[ACTIVATION] = _activation(plan(image, groups=[]))
        places, groups = _groups(own, names, sizes, n_random, rng)
        ablation = plan(image, groups=groups)
        delta = ablation.delta[0].reshape(len(groups), -1).mean(1).double().cpu().numpy()
        intact[index] = float(ablation.output.mean())
        for (ranking, draw, orders), part in zip(
            places, delta.reshape(-1, len(sizes)), strict=True
        ):
            changes[ranking, draw, orders, index] = part
        advance(1)
    return xr.DataArray(
        changes,
        dims=("ranking", "draw", "order", "image", "count"),
        coords={
            "ranking": names,
            "order": list(CHANNEL_ORDERS),
            "count": sizes,
            "prediction": ("image", intact),
        },
        name="delta_prediction",
        attrs={"layer": plan.layer, "channels": plan.channels, "seed": seed},
    )


def _check(named: Mapping[str, Array], n: int, channels: int, n_random: int) -> None:
    taken = sorted({RANDOM, ACTIVATION} & set(named))
    if taken:
        raise RequestError(f"the rankings {', '.join(taken)} are made here; name yours otherwise")
    for name, each in named.items():
        if each.shape != (n, channels):
            raise RequestError(
                f"expected scores {name!r} of shape ({n}, {channels}), one an image and channel, "
                f"got {each.shape}"
            )
    if n_random < 1:
        raise RequestError(f"expected at least 1 random order, got n_random = {n_random}")


def _activation(ablation: Ablation) -> Array:
    """Mean rectified activation of every channel of one image, (C,)."""
    positive = ablation.channels_first[0].clamp(min=0).flatten(1)
    return positive.double().mean(1).cpu().numpy()


def _groups(
    scores: Mapping[str, Array],
    names: Sequence[str],
    sizes: Sequence[int],
    n_random: int,
    rng: np.random.Generator,
) -> tuple[list[tuple[int, int, list[int]]], NDArray[np.bool_]]:
    """Sets to remove, (G, C), `len(sizes)` of them for each (ranking, draw, orders)."""
    channels = len(scores[ACTIVATION])
    everything = list(range(len(CHANNEL_ORDERS)))
    places: list[tuple[int, int, list[int]]] = []
    ranked: list[NDArray[np.intp]] = []
    for number, name in enumerate(names):
        if name == RANDOM:
            for draw in range(n_random):
                places.append((number, draw, everything))
                ranked.append(rng.permutation(channels))
            continue
        values = scores[name]
        if not np.isfinite(values).all():
            continue
        chance = rng.random(channels)
        for order, key in enumerate((-values, values, -np.abs(values))):
            places.append((number, 0, [order]))
            ranked.append(np.lexsort((chance, key)))
    member = np.zeros((len(ranked), len(sizes), channels), dtype=bool)
    for row, first in zip(member, ranked, strict=True):
        for removed, size in zip(row, sizes, strict=True):
            removed[first[:size]] = True
    return places, member.reshape(-1, channels)


def channel_measures(
    curves: xr.DataArray, unit: float = 1.0, *, rating: ArrayLike | Tensor | None = None
) -> xr.DataArray:
    """What each ranking of channels is worth in each image; higher is better.

    Every measure is a mean over the numbers of channels removed (equal ratios apart by default,
    so few channels count as much as many) and, for ``random``, over its draws:

    - ``channels_positive``: fall of the prediction, highest score first;
    - ``channels_negative``: rise of the prediction, lowest score first;
    - ``channels_magnitude``: |Δp|, largest magnitude first;
    - ``channels_error``: growth of |f − y|, highest score first: what an AIS claims. NaN for
      images without a rating; given only with `rating`.

    Activations have no sign: ``activation`` removes the most active channels first on every side.

    Parameters
    ----------
    curves : xarray.DataArray
        From `channel_curves`.
    unit : float
        What the changes are divided by, in rating units: the SD of the human ratings, say.
    rating : array, optional
        Human ratings y, shape (N,); NaN where an image has none.

    Returns
    -------
    xarray.DataArray
        Dims (measure, ranking, image), in units of `unit`; NaN where an image has no scores.
    """
    if not (np.isfinite(unit) and unit > 0):
        raise RequestError(f"expected a positive unit in rating units, got {unit}")
    highest, lowest, largest = (curves.sel(order=order, drop=True) for order in CHANNEL_ORDERS)
    lowest = xr.where(curves["ranking"] == ACTIVATION, highest, lowest)
    changes = {
        "channels_positive": -highest,
        "channels_negative": lowest,
        "channels_magnitude": abs(largest),
    }
    if rating is not None:
        y = xr.DataArray(torch.as_tensor(rating).double().cpu().numpy(), dims="image")
        if y.shape != highest["image"].shape and y.sizes["image"] != curves.sizes["image"]:
            raise RequestError(
                f"expected {curves.sizes['image']} ratings, one an image, got {y.shape}"
            )
        residual = curves["prediction"].drop_vars("prediction") - y
        changes["channels_error"] = abs(residual + highest) - abs(residual)
    means = [
        each.mean("count", skipna=False).mean("draw").transpose("ranking", "image").reset_coords(
            drop=True
        )
        for each in changes.values()
    ]  # fmt: skip
    return xr.concat(means, dim="measure").assign_coords(measure=list(changes)) / unit
