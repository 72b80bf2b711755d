"""Agreement of every pair of networks image by image: an array in place of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["PAIR", "paired_values", "values_by_image"]

#: Columns that name a pair.
PAIR = ["backbone_a", "backbone_b"]

Array = NDArray[np.float64]
Pair = tuple[str, str]


def values_by_image(
    per_image: pd.DataFrame, kind: str | None, metric: str
) -> tuple[list[Pair], Array]:
    """Lay out the defined values of one kind of map and metric.

    Parameters
    ----------
    per_image : pandas.DataFrame
        `agreement_images.csv`; may be empty.
    kind, metric : str
        Which of its rows.

    Returns
    -------
    list of (str, str)
        The P pairs that have a value, in their order.
    ndarray
        (N, P), NaN where undefined: a row for each image of the table by name, whichever maps and
        metrics it has, so that arrays of one table belong together.
    """
    # In the order of the names, as `read_long_csv` has them.
    image = per_image["image"].astype("category")
    own = (per_image["map"] == kind) & (per_image["metric"] == metric) & per_image["value"].notna()
    own &= image.notna()
    rows = per_image.loc[own, [*PAIR, "value"]]
    groups = rows.groupby(PAIR, sort=True, observed=True)
    pairs = [(str(a), str(b)) for a, b in groups.size().index]
    values = np.full((len(image.cat.categories), len(pairs)), np.nan)
    places = image[own].cat.codes.to_numpy(), groups.ngroup().to_numpy(np.intp)
    values[places] = rows["value"].to_numpy()
    return pairs, values


def paired_values(
    per_image: pd.DataFrame, first: tuple[str | None, str], second: tuple[str | None, str]
) -> tuple[list[Pair], Array, Array]:
    """Lay out two kinds of map and metrics, of the pairs that both have, as `values_by_image`."""
    (pairs, values), (others, beside) = (
        values_by_image(per_image, *one) for one in (first, second)
    )
    both = [pair for pair in pairs if pair in others]
    return (
        both,
        values[:, [pairs.index(pair) for pair in both]],
        beside[:, [others.index(pair) for pair in both]],
    )
