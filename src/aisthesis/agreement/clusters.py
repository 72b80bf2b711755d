"""Hierarchical clustering of the backbones, and how far each cluster can be trusted."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.metrics import metric
from aisthesis.agreement.summary import ByImage, by_image
from aisthesis.errors import RequestError
from aisthesis.stats.bootstrap import resampled_means
from aisthesis.stats.means import mean_of_defined

__all__ = ["cluster_backbones"]

_PAIR = ["backbone_a", "backbone_b"]
_COLUMNS = ["step", "left", "right", "members", "distance", "support"]
Members = NDArray[np.bool_]


def cluster_backbones(
    values: pd.DataFrame | ByImage, seed: int = 0, n_boot: int = 1000
) -> pd.DataFrame:
    """Join the backbones whose maps agree most, step by step (average linkage).

    The distance of two backbones is one minus their mean agreement over images, or the mean itself
    where the metric is a distance; that of two clusters the mean over their pairs of backbones.

    Parameters
    ----------
    values
        As `pair_values` gives it. Every column but ``image, backbone_a, backbone_b, value`` tells
        groups apart (``map``, ``metric``); each group is clustered on its own.
    seed, n_boot
        Seed and number of the bootstrap's draws of images.

    Returns
    -------
    DataFrame
        The group columns, then ``step`` (1 is the first merge), ``left, right`` (members of the two
        clusters merged, separated by ``|``; the one with the earlier backbone is left),
        ``members`` (of both together), ``distance`` and ``support``: the share of draws of images
        in whose clustering the same members form a cluster, whatever their order inside. The last
        merge holds every backbone, so its support is 1 by construction. No rows for a group in
        which some pair agrees on no image.

    References
    ----------
    Sokal & Michener (1958), "A statistical method for evaluating systematic relationships",
    University of Kansas Science Bulletin 38, 1409-1438. Felsenstein (1985), "Confidence limits on
    phylogenies: an approach using the bootstrap", Evolution 39(4), 783-791.
    """
    named = values.groups if isinstance(values, ByImage) else values
    missing = [name for name in (*_PAIR, "metric") if name not in named]
    if missing:
        raise RequestError(
            f"expected a table of agreement with the columns {', '.join([*_PAIR, 'metric'])}, "
            f"{' and '.join(missing)} is missing; give what pair_values returns"
        )
    groups, matrix, *_ = by_image(values)
    keys = [str(name) for name in groups if name not in _PAIR]
    tables = []
    for _, rows in groups.groupby(keys, sort=False):
        columns = rows.index.to_numpy()
        merges = _merges_with_support(rows, matrix[:, columns], seed, n_boot)
        tables.append(merges.assign(**{key: rows[key].iloc[0] for key in keys})[[*keys, *_COLUMNS]])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=keys + _COLUMNS)


def _merges_with_support(
    rows: pd.DataFrame, matrix: NDArray[np.float64], seed: int, n_boot: int
) -> pd.DataFrame:
    backbones = list(dict.fromkeys([*rows["backbone_a"], *rows["backbone_b"]]))
    order = _condensed_order(rows, backbones)
    higher = metric(rows["metric"].iloc[0]).direction == "higher"
    mean = mean_of_defined(matrix)
    if np.isnan(mean).any():
        return pd.DataFrame(columns=_COLUMNS)
    drawn = resampled_means(matrix, seed, n_boot)
    mean, drawn = (1 - one[..., order] if higher else one[..., order] for one in (mean, drawn))
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    found = Counter(one.tobytes() for one in _merges(drawn).members.reshape(-1, len(backbones)))

    def told(cluster: Members) -> str:
        return "|".join(backbones[member] for member in np.flatnonzero(cluster))

    left, members, distances = (one[0] for one in _merges(mean[None]))
    merges: list[dict[str, Any]] = [
        {
            "step": step + 1,
            "left": told(left[step]),
            "right": told(members[step] & ~left[step]),
            "members": told(members[step]),
            "distance": distances[step],
            "support": found[members[step].tobytes()] / len(drawn) if len(drawn) else np.nan,
        }
        for step in range(len(members))
    ]
    return pd.DataFrame(merges, columns=_COLUMNS)


def _condensed_order(rows: pd.DataFrame, backbones: list[str]) -> NDArray[np.intp]:
    """Place of each pair of backbones, in SciPy's order of a condensed matrix, among the rows."""
    place = {
        frozenset(pair): position
        for position, pair in enumerate(rows[_PAIR].itertuples(index=False, name=None))
    }
    wanted = [frozenset((a, b)) for i, a in enumerate(backbones) for b in backbones[i + 1 :]]
    absent = [pair for pair in wanted if pair not in place]
    if absent:
        raise RequestError(
            f"expected the agreement of every pair of backbones, that of "
            f"{' and '.join(sorted(absent[0]))} is missing; give what pair_values returns"
        )
    return np.array([place[pair] for pair in wanted])


class _Merges(NamedTuple):
    """Of many clusterings of the same n backbones, the n - 1 merges of each."""

    left: Members  # (draws, n - 1, n): members of the cluster with the earlier backbone
    members: Members  # (draws, n - 1, n): of both together
    distance: NDArray[np.float64]  # (draws, n - 1)


def _merges(condensed: NDArray[np.float64]) -> _Merges:
    """Merge the two closest clusters, step by step, in every draw at once.

    Of equal distances the one between the earlier backbones comes first, in draws and sample alike.
    """
    draws, n = len(condensed), (1 + math.isqrt(1 + 8 * condensed.shape[1])) // 2
    every, (i, j) = np.arange(draws), np.triu_indices(n, 1)
    distance = np.full((draws, n, n), np.inf)
    distance[:, i, j] = distance[:, j, i] = condensed
    members = np.broadcast_to(np.eye(n, dtype=bool), (draws, n, n)).copy()
    size = np.ones((draws, n))
    steps = []
    for _ in range(n - 1):
        # A cluster stands where its earliest backbone does, so the first of two is the left one.
        a, b = np.divmod(distance.reshape(draws, n * n).argmin(axis=1), n)
        left, apart = members[every, a].copy(), distance[every, a, b]
        size_a, size_b = size[every, a, None], size[every, b, None]
        joined = (size_a * distance[every, a] + size_b * distance[every, b]) / (size_a + size_b)
        joined[every, a] = np.inf
        distance[every, a], distance[every, :, a] = joined, joined
        distance[every, b], distance[every, :, b] = np.inf, np.inf
        members[every, a] |= members[every, b]
        size[every, a] += size[every, b]
        steps.append((left, members[every, a], apart))
    return _Merges(*(np.stack(part, axis=1) for part in zip(*steps, strict=True)))
