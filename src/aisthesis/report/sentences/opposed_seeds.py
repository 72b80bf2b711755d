"""Heads of one network that err on opposite sides: their AIS maps cancel when averaged."""

from __future__ import annotations

import pandas as pd

from aisthesis.report.words.wording import KIND_NAMES, and_list, number, percent

__all__ = ["observe_opposed_seeds"]

#: Of `reliability.csv`: share of images on which a network's heads err on opposite sides.
OPPOSED = "opposite_seeds_share"


def observe_opposed_seeds(reliability: pd.DataFrame, agreement: pd.DataFrame) -> str | None:
    """Say on how many images heads err on opposite sides, and how far single seeds agree.

    Of maps by place where there are some, else of those by channel.

    Parameters
    ----------
    reliability, agreement : pandas.DataFrame
        The tables of these names; either may be empty.

    Returns
    -------
    str or None
        None where no network has such images, or nobody knows.
    """
    if OPPOSED not in reliability:
        return None
    known = reliability.dropna(subset=[OPPOSED])
    kind = "ais_place" if (known["map"] == "ais_place").any() else "ais"
    shares = known[known["map"] == kind].drop_duplicates("backbone").set_index("backbone")[OPPOSED]
    if shares.empty or not shares.max() > 0:
        return None
    listed = and_list([f"{percent(share)} ({label})" for label, share in shares.items()])
    said = (
        "Heads of one network from different seeds err on opposite sides of the human rating on "
        f"some images: on {listed}. There their {KIND_NAMES[kind]} maps cancel when they are "
        "averaged over seeds"
    )
    if "single_seed" not in agreement:
        return f"{said}."
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == "cosine")]
    rows = rows.dropna(subset=["mean", "single_seed"])
    if rows.empty:
        return f"{said}."
    return (
        f"{said}: two networks’ maps of single seeds have a mean cosine of "
        f"{number(float(rows['single_seed'].mean()))}, those averaged over seeds of "
        f"{number(float(rows['mean'].mean()))}."
    )
