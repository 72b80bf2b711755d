"""Channels one can look at: those with the largest mean effect, and where they are active."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import label as connected

from aisthesis.config import StudyConfig
from aisthesis.provenance.code import code_dependencies
from aisthesis.stats.bootstrap import mean_intervals
from aisthesis.stats.correlation import pearson
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.kept_tables import KeptTables
from aisthesis.store.maps_store import group_key, open_maps
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.explaining.explain import Studied
from aisthesis.studies.ratings.showing.layer_outputs import LayerOutputs

__all__ = [
    "CHANNEL_COLUMNS",
    "active_box",
    "channel_effects",
    "keep_channels",
    "show_channels",
    "top_channel_dependencies",
]

CHANNEL_COLUMNS = (
    "backbone", "channel", "rank", "effect", "low", "high", "n", "seeds_same_sign", "n_seeds",
    "reliability", "image", "image_rank", "image_effect", "box_left", "box_top",
    "box_right", "box_bottom", "width_px", "height_px",
)  # fmt: skip
CHANNELS, IMAGES = 6, 4
#: Images of which all channels are held.
_IMAGES_AT_ONCE = 2048
#: Cells at least this active, of the most active one, are where a channel is active.
_ACTIVE = 0.5
_LEAST_SHARE = 0.3  # of the crop's sides, so that something can be seen


def top_channel_dependencies(folder: StudyFolder, config: StudyConfig) -> dict[str, str]:
    """What `top_channels.csv` depends on, by name."""
    labels = mapped_labels(folder, config)
    found = {"order of the backbones": digest_of(labels)}
    for label in labels:
        found |= _own_dependencies(folder, config, label)
    return found


def _own_dependencies(folder: StudyFolder, config: StudyConfig, label: str) -> dict[str, str]:
    """What one backbone's rows depend on."""
    code = code_dependencies("the channels that are shown", __name__)
    options = digest_of(CHANNELS, IMAGES, config.bootstrap, config.seed)
    maps = {f"maps of {label}": str(group_key(folder.maps, label))}
    return maps | code | {"options": options}


def show_channels(one: Studied) -> None:
    """Find each network's channels with the largest mean effect; write `top_channels.csv`.

    The effect of a channel on an image is the evidence that it brings: how far the prediction
    falls when it is removed, in rating units. The images are those on which the effect is largest
    in the direction of its mean.
    """
    labels = mapped_labels(one.folder, one.config)
    tables = []
    with one.reporter.steps("channels to look at", len(labels)) as advance:
        for label in labels:
            keep_channels(one, label)
            tables.append(_kept(one, label).read()["rows"])
            advance(1)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    write_csv(one.folder.top_channels, table.reindex(columns=list(CHANNEL_COLUMNS)))


def keep_channels(one: Studied, label: str, outputs: LayerOutputs | None = None) -> None:
    """Keep one network's rows for `show_channels`, if they are not there.

    Without `outputs` at hand the network is built, and the images that are shown run through it
    once more.
    """
    kept = _kept(one, label)
    if not kept.done:
        kept.keep({"rows": _of_backbone(one, label, outputs)})


def _kept(one: Studied, label: str) -> KeptTables:
    parts = _own_dependencies(one.folder, one.config, label)
    return KeptTables(one.folder, "channels", label, parts, ("rows",))


def channel_effects(
    delta: NDArray[np.floating[Any]], n_boot: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Summarise the effects of a layer's channels over images and seeds.

    Parameters
    ----------
    delta : array, (seeds, images, channels)
        Prediction without the channel less the prediction, in rating units.
    n_boot, seed
        Of the intervals over images.

    Returns
    -------
    DataFrame
        A row a channel: ``effect`` (mean of −delta over images, seeds averaged), its 95 % interval
        ``low, high`` over the ``n`` images, ``seeds_same_sign`` (how many of the ``n_seeds`` seeds'
        mean effects have its sign) and ``reliability`` (mean Pearson correlation over images
        between every two seeds; NaN with one seed, or where a seed's effect does not vary).
    """
    effects = -np.asarray(delta, dtype=np.float64)
    by_image = effects.mean(0)
    mean = by_image.mean(0)
    low, high = mean_intervals(by_image, seed, n_boot)
    by_seed = np.sign(effects.mean(1))
    return pd.DataFrame(
        {
            "effect": mean,
            "low": low,
            "high": high,
            "n": len(by_image),
            "seeds_same_sign": (by_seed == np.sign(mean)).sum(0),
            "n_seeds": len(effects),
            "reliability": _reliability(effects),
        }
    )


def _reliability(effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean correlation over images of every two seeds' effects, channel by channel."""
    if len(effects) < 2:
        return np.full(effects.shape[2], np.nan)
    pairs = [pearson(a, b, axis=0) for a, b in combinations(effects, 2)]
    return np.asarray(np.mean(pairs, axis=0))


def _of_backbone(one: Studied, label: str, outputs: LayerOutputs | None) -> pd.DataFrame:
    config = one.config
    with open_maps(one.folder.maps, label) as stored:
        names = [str(name) for name in stored["image"].values]
        removed = stored["delta_prediction"].transpose("seed", "image", "channel")
        mean = _mean_effects(removed)
        order = np.argsort(-np.abs(mean), kind="stable")[:CHANNELS]
        chosen = [int(c) for c in order if np.isfinite(mean[c]) and mean[c]]
        delta = removed.isel(channel=chosen).values
    effects = channel_effects(delta, config.bootstrap, config.seed)
    by_image = -delta.astype(np.float64).mean(0)
    wanted = {c: _images_of(by_image[:, k], effects["effect"][k]) for k, c in enumerate(chosen)}
    boxes = _boxes(one, outputs or LayerOutputs(one, label), names, wanted)
    rows = [
        {
            "backbone": label, "channel": c, "rank": k + 1, **effects.iloc[k].to_dict(),
            "image": names[i], "image_rank": place, "image_effect": float(by_image[i, k]),
            **dict(zip(CHANNEL_COLUMNS[-6:], boxes[c, i], strict=True)),
        }
        for k, c in enumerate(chosen)
        for place, i in enumerate(wanted[c], 1)
    ]  # fmt: skip
    whole = ["channel", "rank", "n", "seeds_same_sign", "n_seeds", "image_rank"]
    table = pd.DataFrame(rows, columns=list(CHANNEL_COLUMNS))
    return table.astype(dict.fromkeys(whole, int))


def _mean_effects(removed: xr.DataArray) -> NDArray[np.float64]:
    """Mean over images and seeds of each channel's effect, a few images at a time."""
    seeds, images, channels = removed.shape
    total = np.zeros((seeds, channels))
    for start in range(0, images, _IMAGES_AT_ONCE):
        some = removed.isel(image=slice(start, start + _IMAGES_AT_ONCE)).values
        total -= some.sum(axis=1, dtype=np.float64)
    return total.mean(0) / images


def _images_of(effects: NDArray[np.float64], mean: float) -> list[int]:
    """Images on which a channel's effect is largest in the direction of its mean."""
    along = effects * np.sign(mean)
    order = np.argsort(-along, kind="stable")[:IMAGES]
    return [int(i) for i in order if along[i] > 0]


def _boxes(
    one: Studied, outputs: LayerOutputs, names: list[str], wanted: dict[int, list[int]]
) -> dict[tuple[int, int], tuple[float, ...]]:
    """Where channels are active, by (channel, image): a box in the photograph's px, its size."""
    place = {names[i]: i for some in wanted.values() for i in some}
    found: dict[tuple[int, int], tuple[float, ...]] = {}
    for name, activity in outputs.of(sorted(place, key=place.__getitem__)):
        size = one.inputs.sizes[name]
        crop = outputs.crop_box(size)
        for channel, some in wanted.items():
            if place[name] in some:
                box = active_box(activity[channel], crop, size)
                found[channel, place[name]] = (*box, *map(float, size))
    return found


def active_box(
    activity: NDArray[np.float64],
    crop: tuple[float, float, float, float],
    size: tuple[int, int],
) -> tuple[float, float, float, float]:
    """Where a channel is active: around its most active cell, in the photograph's pixels.

    Parameters
    ----------
    activity : array, (h, w)
        Of one channel, not negative: see `LayerOutputs`.
    crop : (left, top, right, bottom)
        What the map covers of the photograph, px.
    size : (width, height)
        Of the photograph, px.

    Returns
    -------
    (left, top, right, bottom)
        Round the connected cells of at least half the largest magnitude, with at least three
        tenths of the crop's sides, inside the photograph; the whole crop where nothing is active.
    """
    left, top, right, bottom = crop
    if not activity.max() > 0:
        return left, top, right, bottom
    regions, _ = connected(activity >= _ACTIVE * activity.max())
    rows, columns = np.nonzero(
        regions == regions[np.unravel_index(activity.argmax(), activity.shape)]
    )
    height, width = activity.shape
    edges = []
    for cells, n, start, stop, length in (
        (columns, width, left, right, size[0]), (rows, height, top, bottom, size[1]),
    ):  # fmt: skip
        low = start + cells.min() / n * (stop - start)
        high = start + (cells.max() + 1) / n * (stop - start)
        middle = (low + high) / 2
        half = max((high - low) / 2, _LEAST_SHARE * (stop - start) / 2)
        middle = min(max(middle, half), max(length - half, half))
        edges.append((max(0.0, middle - half), min(float(length), middle + half)))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom
