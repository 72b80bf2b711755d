"""How far a network's AIS maps are its evidence maps again, or their negatives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from aisthesis.agreement.metrics import metric
from aisthesis.agreement.stack import MapStack
from aisthesis.names.explainers import BY_CHANNEL, BY_PLACE
from aisthesis.report.folder.stored_maps import GRID_PX, BackboneMaps
from aisthesis.report.words.wording import KIND_NAMES, and_list, count, percent

__all__ = ["COPY_FROM", "observe_signed_copies", "signed_copies"]

#: Absolute cosine above which two maps are called the same but for their sign.
COPY_FROM = 0.99
_PAIRS = (BY_PLACE, BY_CHANNEL)


def signed_copies(maps: Mapping[str, BackboneMaps]) -> pd.DataFrame:
    """Count the images on which a network's AIS map is its evidence map but for the sign.

    Parameters
    ----------
    maps : mapping of str to BackboneMaps
        By label, averaged over seeds.

    Returns
    -------
    pandas.DataFrame
        ``backbone``, ``map`` (`ais_place` where there are maps by place, else `ais`), ``n`` (images
        with both maps defined), ``n_copies`` (of these, images with an absolute cosine above
        `COPY_FROM`); backbones without either kind are left out.
    """
    rows = []
    for label, stack in maps.items():
        both = next((kinds for kinds in _PAIRS if set(kinds) <= set(stack.kinds)), None)
        if both is not None:
            pair = [MapStack.of(stack.kinds[kind], GRID_PX) for kind in both]
            cosines = np.abs(metric("cosine")(*pair).numpy())
            known = np.isfinite(cosines)
            rows.append((label, both[0], int(known.sum()), int((cosines[known] > COPY_FROM).sum())))
    return pd.DataFrame(rows, columns=["backbone", "map", "n", "n_copies"])


def observe_signed_copies(copies: pd.DataFrame) -> str | None:
    """Say on how many images AIS and evidence maps are one result; None where nothing is known.

    Parameters
    ----------
    copies : pandas.DataFrame
        As `signed_copies` gives it.
    """
    rows = copies[copies["n"] > 0]
    if rows.empty:
        return None
    if len(rows) == 1:
        one = rows.iloc[0]
        where = f"{int(one['n_copies']):,} of {count(int(one['n']), 'image')}"
    else:
        shares = rows["n_copies"] / rows["n"]
        parts = [f"{percent(s)} ({b})" for b, s in zip(rows["backbone"], shares, strict=True)]
        where = f"{and_list(parts)} of the images"
    by_place = "map" in rows and BY_PLACE[0] in set(rows["map"])
    pair = BY_PLACE if by_place else BY_CHANNEL
    ais, evidence = (KIND_NAMES[kind] for kind in pair)
    said = (
        f"On {where} a network’s {ais} map is its {evidence} map or the negative of it (absolute "
        f"cosine above {COPY_FROM})"
    )
    if (2 * rows["n_copies"] > rows["n"]).all():
        return (
            f"{said}: agreement of {ais} maps is no second result beside that of {evidence} maps."
        )
    return f"{said}."
