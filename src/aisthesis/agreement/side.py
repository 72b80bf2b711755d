"""Whether two heads err on the same side of the human rating."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from aisthesis.errors import RequestError
from aisthesis.maps.aligned import VALUES, aligned

__all__ = ["same_side"]


def same_side(residuals: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Tell for every pair of backbones and image whether their residuals have the same sign.

    An image's AIS map is, nearly always, its evidence map times minus the sign of the residual, so
    two backbones that see the same evidence but err on opposite sides get opposite AIS maps.

    Parameters
    ----------
    residuals
        (N,) prediction minus human rating of the same N images, by backbone, for the seed-averaged
        prediction where maps are averaged over seeds. A residual of exactly 0 has a sign of its
        own. NaN: unknown. Series by image name are put in the order of the first.

    Returns
    -------
    DataFrame
        ``image`` (name, or 0 to N - 1), ``backbone_a``, ``backbone_b``, ``same_side`` (nullable
        boolean, missing where either residual is unknown); rows by image, then pair.
    """
    same = aligned(residuals, VALUES)
    signs = {
        name: np.sign(np.asarray(one, dtype=np.float64).ravel())
        for name, one in same.arrays.items()
    }
    lengths = {name: len(one) for name, one in signs.items()}
    if len(signs) < 2 or len(set(lengths.values())) != 1:
        raise RequestError(
            "expected residuals of the same images for at least two backbones, got "
            f"{lengths}; predict the same images with each"
        )
    images = np.arange(next(iter(lengths.values()))) if same.names is None else same.names
    tables = []
    for a, b in combinations(signs, 2):
        equal = pd.array(signs[a] == signs[b], dtype="boolean")
        equal[np.isnan(signs[a]) | np.isnan(signs[b])] = pd.NA
        tables.append(
            pd.DataFrame(
                {"image": images, "backbone_a": a, "backbone_b": b, "same_side": equal}
            ).assign(position=np.arange(len(equal)))
        )
    table = pd.concat(tables).sort_values("position", kind="stable", ignore_index=True)
    return table.drop(columns="position")
