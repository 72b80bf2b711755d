"""Metrics of pixels between maps by different seeds of one backbone, image by image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisthesis.agreement.axis import Part
from aisthesis.agreement.metrics import metric
from aisthesis.agreement.pairs import compare
from aisthesis.agreement.registration import Framed

__all__ = ["Known", "between_seeds"]

Matrix = NDArray[np.float64]
#: Values by the metric's name, the grid's side and what the maps of an image are.
Known = dict[tuple[str, int, bytes], float]

#: Images whose maps are looked at together.
IMAGES_AT_ONCE = 32


def between_seeds(
    maps: Mapping[Any, Any], metrics: Sequence[str], size_px: int, known: Known | None = None
) -> dict[str, Matrix]:
    """Compare the maps of an image by different seeds.

    An AIS map is mostly the evidence map times the sign of the head's error. Where the errors of
    all seeds have one sign, both kinds of map have the same values, which `known` then holds.

    Parameters
    ----------
    maps
        (S, N, h, w) by backbone.
    metrics
        Names.
    size_px
        Side of the pixel grid.
    known
        Values of maps that have been compared before; what is compared is added.

    Returns
    -------
    dict
        (N, backbones) mean over pairs of seeds, by metric; NaN where one of them is undefined.
    """
    if not metrics:
        return {}
    columns = [
        _of_backbone(one, metrics, size_px)
        if known is None or int(one.shape[0]) < 2
        else _with_known(one, metrics, size_px, known)
        for one in maps.values()
    ]
    by_metric = np.stack(columns, axis=2).transpose(1, 0, 2)
    return dict(zip(metrics, by_metric, strict=True))


def _of_backbone(one: Any, metrics: Sequence[str], size_px: int) -> Matrix:
    """(N, metrics) mean over pairs of seeds."""
    seeds = range(int(one.shape[0]))
    stacks: dict[Hashable, Any] = {seed: one[seed] for seed in seeds}
    pairs = list(combinations(seeds, 2))
    values = compare(stacks, pairs, metrics, size_px)  # (N, metrics, pairs of seeds)
    return values.mean(axis=2) if pairs else np.full(values.shape[:2], np.nan)


def _with_known(one: Any, metrics: Sequence[str], size_px: int, known: Known) -> Matrix:
    """As `_of_backbone`, of those images alone of which a value is not known."""
    keys = _keys(one, both_ways=all(metric(name).even for name in metrics))
    new = np.array(
        [i for i, key in enumerate(keys) if any((m, size_px, key) not in known for m in metrics)],
        dtype=np.intp,
    )
    if len(new):
        few = one if len(new) == len(keys) else _some(one, new)
        for i, row in zip(new, _of_backbone(few, metrics, size_px), strict=True):
            known |= {(m, size_px, keys[i]): value for m, value in zip(metrics, row, strict=True)}
    return np.array([[known[m, size_px, key] for m in metrics] for key in keys])


def _keys(one: Any, *, both_ways: bool) -> list[bytes]:
    """What the maps of each image are; with `both_ways` the same if all are turned over."""
    keys = []
    for start in range(0, int(one.shape[1]), IMAGES_AT_ONCE):
        read = one[:, start : start + IMAGES_AT_ONCE]
        part = repr(read.axes) if isinstance(read, Part) else ""
        values = np.asarray(read.maps if isinstance(read, Part) else read)
        for maps in values.swapaxes(0, 1):  # (S, h, w)
            first = maps[maps != 0][:1]  # NaN too, which turns nothing over
            turned = -maps if both_ways and len(first) and first[0] < 0 else maps
            about = f"{part}{maps.shape}{maps.dtype}".encode()
            plain = np.ascontiguousarray(turned + 0.0)  # no zero with a sign
            keys.append(blake2b(about + plain.tobytes(), digest_size=16).digest())
    return keys


def _some(one: Any, images: NDArray[np.intp]) -> Any:
    return one.some(images) if isinstance(one, Framed) else np.asarray(one[:, images])
