"""How well maps find evidence whose place is known: pure functions of maps and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.faithfulness.mask_scores import LOCALISATION_SCORES, Maps, Masks, pixel_auc
from aisthesis.maps.aligned import aligned
from aisthesis.maps.resample import upsample
from aisthesis.names.explainers import BESIDE, UNSIGNED
from aisthesis.stats.bootstrap import column_means, mean_intervals
from aisthesis.stats.differences import corrected_by_control
from aisthesis.stats.means import mean_of_defined

__all__ = [
    "CONTROLS",
    "LOCALISATION_COLUMNS",
    "RANDOM_WEIGHTS",
    "SIDES",
    "bootstrap_mean",
    "centre_prior",
    "localisation_rows",
    "localisation_scores",
    "localisation_table",
    "scored_names",
]

Side = Literal["raising", "lowering", "either"]

SIDES: tuple[Side, ...] = ("raising", "lowering", "either")
#: Controls that serve every kind of map; each kind has its own control with random weights.
CONTROLS = ("centre", "uniform", "activation")
RANDOM_WEIGHTS = "random_weights"
CENTRE_SD = 0.25  # of the centre prior, in sides of the image
LOCALISATION_COLUMNS = (
    "backbone",
    "map",
    "side",
    "score",
    "control",
    "mean",
    "low",
    "high",
    "n",
    "n_undefined",
    "p_corrected",
)


def centre_prior(height_px: int, width_px: int) -> NDArray[np.float64]:
    """Map that knows nothing but that things tend to be in the middle, (H, W), 0 to 1.

    A Gaussian around the centre with an SD of a quarter of each side.
    """
    y = (np.arange(height_px) + 0.5) / height_px - 0.5
    x = (np.arange(width_px) + 0.5) / width_px - 0.5
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * CENTRE_SD**2))


def bootstrap_mean(
    values: NDArray[np.float64], n_resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over images with its 95% interval, as `aisthesis.stats.mean_intervals` gives it.

    Parameters
    ----------
    values : ndarray
        Shape (N,), one value per image; NaN is left out.
    n_resamples : int
        Bootstrap samples of the images.
    seed : int
        Seed of the samples.

    Returns
    -------
    mean, low, high : float
        All NaN without a value; the interval is NaN for a single one.
    """
    interval = mean_intervals(values[:, None], seed, n_resamples)
    mean = float(column_means(values[:, None])[1][0])
    return mean, float(interval.low[0]), float(interval.high[0])


def localisation_table(
    backbone: str,
    maps: Mapping[str, Maps],
    raising: Masks,
    lowering: Masks,
    *,
    randomised: Mapping[str, Maps] | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score one backbone's maps against masks, and against every control, image by image.

    Three sides are asked for: positive map values at ``raising`` evidence, negative ones at
    ``lowering`` evidence, and large values of either sign at ``either``. Maps that have no sign
    (``centre``, ``uniform``, ``activation``) are taken as they are on every side. An AIS map's
    sign says whether a channel helps agreement, not whether it raises the rating, so only its
    ``either`` side has a natural reading.

    Parameters
    ----------
    backbone : str
        Its name, for the first column.
    maps : mapping
        Maps (N, h, w) of any resolution by name: ``ais``, ``evidence`` and, as a control,
        ``activation`` where there is one. ``centre`` and ``uniform`` are added.
    raising, lowering : ndarray
        Masks on the grid of the crop that the network saw, shape (N, H, W), bool. Maps and masks
        that are labelled are put in one order by their `image` coordinate.
    randomised : mapping, optional
        By the name of a kind of map, the same kind from K networks with random weights, shape
        (K, N, h, w): its control ``random_weights``. An image's score is the mean over the
        networks, because one network's error has the same sign on every image. The control's
        own scores stand under the name ``<kind>_random_weights``.
    n_resamples, seed : int
        Of the bootstrap over images.

    Returns
    -------
    pandas.DataFrame
        Columns ``LOCALISATION_COLUMNS``. With ``control`` "none", ``mean`` is the mean score over
        images; otherwise the mean difference of the map's score and the control's on the same
        images; maps by place are also compared with those by channel and with Grad-CAM.
        ``low`` and ``high`` are 95% bootstrap limits; ``n`` images count, ``n_undefined`` do not
        (no such evidence, or no map); ``p_corrected`` of a difference is corrected over all maps
        that are compared with the same control.

    Raises
    ------
    RequestError
        If the maps' and masks' numbers of images or shapes do not fit.
    """
    names, values = localisation_scores(maps, raising, lowering, randomised=randomised)
    return localisation_rows(backbone, names, values, n_resamples=n_resamples, seed=seed)


def localisation_scores(
    maps: Mapping[str, Maps],
    raising: Masks,
    lowering: Masks,
    *,
    randomised: Mapping[str, Maps] | None = None,
) -> tuple[list[str], NDArray[np.float64]]:
    """Score maps and controls image by image; arguments as in `localisation_table`.

    Returns
    -------
    names : list of str
        Of the maps and controls, as `scored_names` gives them.
    values : ndarray
        (N, sides, scores, names), NaN where undefined. What is scored of one image does not
        depend on others, so a study's images can be scored a few at a time.
    """
    stacks: dict[tuple[str, str], Any] = {("maps", name): one for name, one in maps.items()}
    stacks |= {("masks", "raising"): raising, ("masks", "lowering"): lowering}
    same = {key: np.asarray(one) for key, one in aligned(stacks).arrays.items()}
    maps = {name: same["maps", name] for name in maps}
    raising, lowering = same["masks", "raising"], same["masks", "lowering"]
    if raising.shape != lowering.shape:
        raise RequestError(
            f"Raising and lowering masks must have one shape, got {raising.shape} and "
            f"{lowering.shape}."
        )
    height, width = raising.shape[1:]
    on_grid = {name: _on_grid(name, one, raising.shape) for name, one in maps.items()}
    on_grid["centre"] = np.broadcast_to(centre_prior(height, width), raising.shape)
    on_grid["uniform"] = np.ones(raising.shape)
    drawn = {
        kind: [_on_grid(kind, one, raising.shape) for one in networks]
        for kind, networks in (randomised or {}).items()
    }
    masks: dict[Side, Masks] = {
        "raising": raising,
        "lowering": lowering,
        "either": raising | lowering,
    }
    scored = [_on_every_side(one, name, masks) for name, one in on_grid.items()]
    scored += [
        mean_of_defined([_on_every_side(one, kind, masks) for one in networks])
        for kind, networks in drawn.items()
    ]
    return scored_names(list(maps), list(drawn)), np.stack(scored, axis=-1)


def _on_every_side(maps: Maps, name: str, masks: Mapping[Side, Masks]) -> NDArray[np.float64]:
    """Every score of maps (N, H, W) against the masks of every side: (N, sides, scores)."""
    in_order = np.sort(maps.reshape(len(maps), -1), axis=1)
    found = np.empty((len(maps), len(SIDES), len(LOCALISATION_SCORES)))
    for i, side in enumerate(SIDES):
        faced = _facing(maps, name, side)
        for j, function in enumerate(LOCALISATION_SCORES.values()):
            if function is pixel_auc:
                found[:, i, j] = pixel_auc(faced, masks[side], _in_order(in_order, name, side))
            else:
                found[:, i, j] = function(faced, masks[side])
    return found


def _in_order(in_order: Maps, name: str, side: Side) -> Maps:
    """Values (N, pixels) in order of maps that are turned to a side, from those of the maps."""
    faced = _facing(in_order, name, side)
    if name in UNSIGNED or side == "raising":
        return faced
    # From high to low, or first falling and then rising: little is left to sort.
    return faced[:, ::-1] if side == "lowering" else np.sort(faced, axis=1, kind="stable")


def scored_names(maps: Sequence[str], randomised: Sequence[str]) -> list[str]:
    """Names of all that is scored: maps, controls, and controls with random weights."""
    known = dict.fromkeys([*maps, "centre", "uniform"])
    return [*known, *(f"{kind}_{RANDOM_WEIGHTS}" for kind in randomised)]


def localisation_rows(
    backbone: str, names: Sequence[str], values: Any, *, n_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Summarise one backbone's scores over images: the table of `localisation_table`.

    Parameters
    ----------
    backbone, n_resamples, seed
        As in `localisation_table`.
    names, values
        As `localisation_scores` gives them; an array on the disk is read score by score.
    """
    rows: list[tuple[object, ...]] = []
    for i, side in enumerate(SIDES):
        for j, score in enumerate(LOCALISATION_SCORES):
            own = np.asarray(values[:, i, j])
            by_name = {name: own[:, k] for k, name in enumerate(names)}
            rows += _rows(backbone, side, score, by_name, n_resamples, seed)
    return pd.DataFrame(rows, columns=list(LOCALISATION_COLUMNS))


def _on_grid(name: str, maps: Maps, shape: tuple[int, ...]) -> Maps:
    """Upsample maps (N, h, w) to the masks' grid (N, H, W)."""
    if maps.ndim != 3 or len(maps) != shape[0]:
        raise RequestError(
            f"The maps {name!r} should be ({shape[0]}, h, w), one for each mask, got {maps.shape}."
        )
    if maps.shape == shape:
        return maps
    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))
    return upsample(tensor, (shape[1], shape[2])).numpy()


def _facing(maps: Maps, name: str, side: Side) -> Maps:
    """Turn the maps so that what is sought on this side is positive."""
    if name in UNSIGNED or side == "raising":
        return maps
    return -maps if side == "lowering" else np.abs(maps)


def _rows(
    backbone: str,
    side: str,
    score: str,
    values: Mapping[str, NDArray[np.float64]],
    n_resamples: int,
    seed: int,
) -> list[tuple[object, ...]]:
    pairs = [
        (name, control, own, other)
        for name, own in values.items()
        for control, other in _controls_of(name, values).items()
    ]
    compared = np.stack([own if other is None else own - other for *_, own, other in pairs], axis=1)
    least = np.array([0.0 if other is None else -1.0 for *_, other in pairs])
    n, means, _ = column_means(compared)
    low, high = mean_intervals(compared, seed, n_resamples, bounds=(least, 1.0))
    undefined = len(compared) - n
    controls = [control for _, control, *_ in pairs]
    p = corrected_by_control(controls, compared, seed, n_resamples)
    p[[other is None for *_, other in pairs]] = np.nan  # a score, no difference
    return [
        (backbone, name, side, score, control, *found)
        for (name, control, *_), found in zip(
            pairs, zip(means, low, high, n, undefined, p, strict=True), strict=True
        )
    ]


def _controls_of(
    name: str, values: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64] | None]:
    """Give the scores that a map's own are compared with, by control; None: with nothing."""
    against: dict[str, NDArray[np.float64] | None] = {"none": None}
    if name in CONTROLS or name.endswith(RANDOM_WEIGHTS):
        return against
    against |= {control: values[control] for control in CONTROLS if control in values}
    against |= {kind: values[kind] for kind in BESIDE.get(name, ()) if kind in values}
    if (own_random := f"{name}_{RANDOM_WEIGHTS}") in values:
        against[RANDOM_WEIGHTS] = values[own_random]
    return against
