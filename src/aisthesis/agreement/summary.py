"""One row per pair of backbones and metric, from one row per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.metrics import known_metric
from aisthesis.errors import RequestError
from aisthesis.stats.bootstrap import mean_intervals

__all__ = ["ByImage", "Sides", "by_image", "summarise"]

#: By pair of backbones: (N,) 1 where both heads err on the same side, 0 where not, NaN: unknown.
Sides = Mapping[tuple[str, str], NDArray[np.float64]]


class ByImage(NamedTuple):
    """Values of the same images by group, as a matrix: a long table takes ten times the memory.

    Attributes
    ----------
    groups
        One row per group: what tells it apart (``map, metric, backbone_a, backbone_b``).
    matrix
        (images, groups) values, NaN where undefined or absent.
    present
        (images, groups) bool: the value is there, defined or not.
    images
        (images,) names.
    """

    groups: pd.DataFrame
    matrix: NDArray[np.float64]
    present: NDArray[np.bool_]
    images: Any


def summarise(
    values: pd.DataFrame | ByImage,
    seed: int = 0,
    n_boot: int = 2000,
    sides: pd.DataFrame | Sides | None = None,
) -> pd.DataFrame:
    """Summarise agreement over images.

    Parameters
    ----------
    values
        As `pair_values` gives it. Every column but ``image`` and ``value`` tells groups apart, so
        a column ``map`` that holds ``ais`` or ``evidence`` is kept apart too. Or by image and
        group.
    seed, n_boot
        Seed and number of the bootstrap's draws of images; every row sees the same draws.
    sides
        As `same_side` gives it, for the same images, or by pair in the order of the images: adds
        how far a pair agrees on the images where both heads err on the same side of the human
        rating.

    Returns
    -------
    DataFrame
        The group columns, then ``mean, std`` (sample SD), ``median, min, max, n, n_undefined,
        low, high`` (95 % studentised bootstrap interval of the mean), over the `n` images on which
        the value is defined; with `sides` also ``same_side_share, same_side_n, same_side_mean,
        same_side_low, same_side_high``, where ``same_side_n`` counts the same-side images on
        which the value is defined. Rows in order of first appearance. NaN where there is
        nothing to compute from; intervals need two images.
    """
    held = by_image(values)
    groups, matrix = held.groups, held.matrix
    defined = np.isfinite(matrix)
    n = defined.sum(axis=0)
    bounds = _bounds(groups)
    intervals = mean_intervals(matrix, seed, n_boot, bounds=bounds)
    columns = {
        "mean": _of_columns(np.mean, matrix),
        "std": _of_columns(lambda x: x.std(ddof=1) if x.size > 1 else np.nan, matrix),
        "median": _of_columns(np.median, matrix),
        "min": _of_columns(np.min, matrix),
        "max": _of_columns(np.max, matrix),
        "n": n,
        "n_undefined": (held.present & ~defined).sum(axis=0),
        "low": intervals.low,
        "high": intervals.high,
    }
    if sides is not None:
        columns |= _same_side_columns(held, sides, seed, n_boot)
    return groups.assign(**columns)


def by_image(values: pd.DataFrame | ByImage) -> ByImage:
    """Put a long table into a matrix of images x groups; what is one already stays.

    Groups (every column but ``image`` and ``value``) and images are in order of appearance.
    """
    if isinstance(values, ByImage):
        return values
    missing = [name for name in ("image", "value") if name not in values]
    if missing:
        raise RequestError(
            f"expected a table of agreement with the columns image and value, "
            f"{' and '.join(missing)} is missing; give what pair_values returns"
        )
    keys = [name for name in values.columns if name not in ("image", "value")]
    groups = values[keys].drop_duplicates(ignore_index=True)
    image, images = pd.factorize(values["image"])
    group = values.groupby(keys, sort=False, dropna=False, observed=True).ngroup().to_numpy()
    matrix = np.full((len(images), len(groups)), np.nan)
    present = np.zeros(matrix.shape, dtype=bool)
    matrix[image, group] = values["value"].to_numpy(dtype=np.float64)
    present[image, group] = True
    if present.sum() != len(values):
        raise RequestError(
            "expected one value per image and group, got several; "
            "add the column that tells them apart"
        )
    return ByImage(groups, matrix, present, images)


def _same_side_columns(
    held: ByImage, sides: pd.DataFrame | Sides, seed: int, n_boot: int
) -> dict[str, NDArray[np.float64]]:
    """Share of same-side images of each group's pair, and its agreement on those alone."""
    groups, matrix = held.groups, held.matrix
    if isinstance(sides, pd.DataFrame):
        sides = _by_pair(sides, pd.Index(held.images))
    same = np.zeros(matrix.shape, dtype=bool)
    share = np.full(matrix.shape[1], np.nan)
    for column, (a, b) in enumerate(zip(groups["backbone_a"], groups["backbone_b"], strict=True)):
        side = sides.get((a, b), sides.get((b, a)))
        if side is None:
            raise RequestError(
                f"expected the residuals' sides of {a} and {b}, got none; "
                "give same_side the residuals of every backbone"
            )
        same[:, column] = side == 1
        known = side[~np.isnan(side)]
        if known.size:
            share[column] = known.mean()
    selected = np.where(same, matrix, np.nan)
    intervals = mean_intervals(selected, seed, n_boot, bounds=_bounds(groups))
    return {
        "same_side_share": share,
        "same_side_n": np.isfinite(selected).sum(axis=0),
        "same_side_mean": _of_columns(np.mean, selected),
        "same_side_low": intervals.low,
        "same_side_high": intervals.high,
    }


def _by_pair(sides: pd.DataFrame, images: pd.Index[Any]) -> Sides:
    """The table of `same_side` by pair, in the order of the images."""
    found = {}
    for (a, b), table in sides.groupby(["backbone_a", "backbone_b"], sort=False):
        side = table.set_index("image")["same_side"].reindex(images).astype("Float64")
        found[str(a), str(b)] = np.asarray(side.to_numpy(na_value=np.nan), dtype=np.float64)
    return found


def _bounds(groups: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest value that each group's mean can have; infinite where not known."""
    names = groups["metric"] if "metric" in groups else [""] * len(groups)
    known = [known_metric(str(name)) for name in names]
    low = [-np.inf if one is None else one.low for one in known]
    high = [np.inf if one is None else one.high for one in known]
    return np.array(low), np.array(high)


def _of_columns(
    statistic: Callable[[NDArray[np.float64]], np.floating | float], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    columns = (column[np.isfinite(column)] for column in matrix.T)
    return np.array([statistic(column) if column.size else np.nan for column in columns])
