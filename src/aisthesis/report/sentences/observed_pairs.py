"""What the table of pairs shows: who is most alike, and what metrics cannot tell."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.folder.image_values import paired_values
from aisthesis.report.folder.selection import map_kinds
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import SIGNIFICANT
from aisthesis.report.words.wording import (
    FEW_IMAGES,
    KIND_NAMES,
    and_list,
    count,
    estimate,
    number,
    same_number,
)
from aisthesis.stats.correlation import spearman

__all__ = ["MSE_SAYS_NOTHING", "observe_emd", "observe_mse_identity", "observe_pairs"]

IDENTITY_TOLERANCE = 1e-3
MSE_SAYS_NOTHING = "MSE says nothing that cosine does not"


def observe_pairs(
    agreement: pd.DataFrame, kind: str, metric: str, differences: pd.DataFrame | None = None
) -> str | None:
    """Say which pair agrees most and which least, and whether their differences decide it.

    Parameters
    ----------
    agreement, differences : pandas.DataFrame
        `agreement.csv` and `agreement_differences.csv`.
    kind, metric : str
        Which maps and metric.
    """
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    rows = rows.dropna(subset=["mean"])
    about = describe(metric)
    if rows.empty:
        return None
    rows = rows.sort_values("mean", ascending=not about.higher_is_alike, kind="stable")
    missing = pd.Series(np.nan, index=rows.index)
    rows = rows.assign(low=rows.get("low", missing), high=rows.get("high", missing))
    names = [f"{a}–{b}" for a, b in zip(rows["backbone_a"], rows["backbone_b"], strict=True)]
    said = [
        f"{name}, {estimate(mean, low, high)}"
        for name, mean, low, high in zip(
            names, rows["mean"], rows["low"], rows["high"], strict=True
        )
    ]
    if len(rows) == 1:
        return f"{about.title}: the one pair, {said[0]}."
    means = rows["mean"].to_list()
    if same_number(means[0], means[-1]):
        return f"{about.title}: all {len(rows)} pairs are alike to two digits, {number(means[0])}."
    first, last = ([n for n, m in zip(names, means, strict=True) if same_number(m, means[end])]
                   for end in (0, -1))  # fmt: skip
    most = said[0] if len(first) == 1 else f"{and_list(first)}, {number(means[0])}"
    least = said[-1] if len(last) == 1 else f"{and_list(last)}, {number(means[-1])}"
    order = _order(rows, len(first), differences)
    return f"{about.title}: most alike are {most}; least alike are {least}.{order}"


def _order(rows: pd.DataFrame, n_first: int, differences: pd.DataFrame | None) -> str:
    """Say how far the order of pairs, most alike first, is decided.

    By their differences on the same images alone: two intervals of means over the same images may
    overlap though the difference is clear.
    """
    fewest = int(rows["n"].min()) if "n" in rows and rows["n"].notna().all() else FEW_IMAGES
    if fewest < FEW_IMAGES:
        return f" Over {count(fewest, 'image')} this order says little."
    p = _tested(rows, differences)
    if not np.isfinite(p[-1]):
        return " Their difference was not tested, so this order may be chance."
    if p[-1] >= SIGNIFICANT:
        return (
            " Even these two do not differ clearly on the same images (corrected over all pairs), "
            "so no pair stands out."
        )
    if n_first > 1:
        return ""
    open_to = int((p >= SIGNIFICANT).sum())
    untested = int((~np.isfinite(p)).sum())
    reasons = []
    if open_to:
        others = ("other pair does", "other pairs do")
        reasons.append(f"{count(open_to, *others)} not differ clearly from it on the same images")
    if untested:
        reasons.append(f"{count(untested, 'other pair was', 'other pairs were')} not tested")
    return f" The first place is not decided: {and_list(reasons)}." if reasons else ""


def _tested(rows: pd.DataFrame, differences: pd.DataFrame | None) -> NDArray[np.float64]:
    """Corrected p of the difference of the first row's pair from that of every other row."""
    names = [f"{a}|{b}" for a, b in zip(rows["backbone_a"], rows["backbone_b"], strict=True)]
    known: dict[frozenset[str], float] = {}
    if differences is not None and len(differences):
        kind, metric = rows["map"].iloc[0], rows["metric"].iloc[0]
        here = differences[
            (differences["map"] == kind)
            & (differences["metric"] == metric)
            & (differences["compared"] == "pairs")
        ]
        known = {
            frozenset((first, second)): float(p)
            for first, second, p in zip(
                here["first"], here["second"], here["p_corrected"], strict=True
            )
        }
    return np.array([known.get(frozenset((names[0], other)), np.nan) for other in names[1:]])


def observe_mse_identity(agreement: pd.DataFrame, per_image: pd.DataFrame) -> str | None:
    """Say that MSE repeats cosine, once the table itself has shown it."""
    table = per_image
    if per_image.empty:  # means over images stand for a single one
        table = agreement.assign(image="all", value=agreement["mean"])
    n, gap = 0, 0.0
    for kind in table["map"].dropna().unique():
        _, mse, cosine = paired_values(table, (kind, "mse"), (kind, "cosine"))
        apart = np.abs(mse - 2 * (1 - cosine))
        apart = apart[np.isfinite(apart)]
        n, gap = n + len(apart), max(gap, float(apart.max(initial=0.0)))
    if not n:
        return None
    if gap <= IDENTITY_TOLERANCE:
        return (
            f"{MSE_SAYS_NOTHING}: on z-scored maps it equals 2(1 − cosine), and in this study’s "
            f"{count(n, 'value')} it does, to within {_rounded_up(gap)}."
        )
    return (
        "On z-scored maps MSE should equal 2(1 − cosine); in this study it departs from that by up "
        f"to {number(gap, 3)}, so the maps that were compared were not z-scored alike."
    )


def _rounded_up(gap: float) -> str:
    """Say a small number with one digit that is not below it: `3e-07`."""
    if gap < 1e-12:
        return "1e-12"
    power = math.floor(math.log10(gap))
    digit = math.ceil(gap / 10.0**power - 1e-9)
    return f"{digit * 10.0**power:.0e}"


def observe_emd(agreement: pd.DataFrame) -> str | None:
    """Say what EMD cannot see, and how far its order of pairs is from cosine's."""
    if "emd" not in set(agreement["metric"]):
        return None
    blind = (
        "EMD compares how the values of two maps are distributed and is blind to where they lie: "
        "two maps with the same histogram have an EMD of 0 wherever their evidence is."
    )
    kind = map_kinds(agreement)[0]
    rows = agreement[agreement["map"] == kind]
    wide = rows.pivot_table(index=["backbone_a", "backbone_b"], columns="metric", values="mean")
    wide = wide.reindex(columns=["emd", "cosine"]).dropna()
    if len(wide) < 4 or wide["emd"].nunique() < 2 or wide["cosine"].nunique() < 2:
        return blind
    rho = float(spearman(-wide["emd"].to_numpy(float), wide["cosine"].to_numpy(float)))
    return (
        f"{blind} Here its order of the {len(wide)} pairs’ {KIND_NAMES.get(kind, kind)} maps has a "
        f"rank correlation of {number(rho)} with cosine’s."
    )
