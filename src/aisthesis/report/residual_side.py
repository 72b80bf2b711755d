"""How much of two backbones' disagreement is the side on which they err, and how much the place."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.agreement.bootstrap import mean_intervals
from aisthesis.report.wording import number, percent, span

__all__ = ["observe_residual_side"]

_PAIR = ["backbone_a", "backbone_b"]


def _per_image_difference(per_image: pd.DataFrame) -> np.ndarray:
    """Evidence agreement minus AIS agreement of each image, averaged over pairs, NaN dropped."""
    rows = per_image[per_image["metric"] == "cosine"].dropna(subset=["value"])
    wide = rows.pivot_table(index=["image", *_PAIR], columns="map", values="value")
    if not {"ais", "evidence"} <= set(wide.columns):
        return np.empty(0)
    pairwise = (wide["evidence"] - wide["ais"]).dropna()
    return pairwise.groupby(level="image").mean().to_numpy()


def observe_residual_side(agreement: pd.DataFrame, per_image: pd.DataFrame) -> str | None:
    """Say what erring on the same side changes, and set AIS against evidence agreement.

    Parameters
    ----------
    agreement, per_image : pandas.DataFrame
        `agreement.csv` and `agreement_images.csv`; either may be empty.

    Returns
    -------
    str or None
        Up to two sentences; None where the study lacks what they need.
    """
    rows = agreement[agreement["metric"] == "cosine"].dropna(subset=["mean"])
    said = [_same_side(rows[rows["map"] == "ais"]), _contrast(_per_image_difference(per_image))]
    return " ".join(text for text in said if text) or None


def _contrast(differences: np.ndarray) -> str | None:
    """Say whether evidence maps, which have no side, agree better than AIS maps."""
    if len(differences) < 2:
        return None
    interval = mean_intervals(differences[:, None], seed=0, n_boot=2000)
    low, high = float(interval.low[0]), float(interval.high[0])
    if not np.isfinite([low, high]).all():
        return None
    mean = float(differences.mean())
    start = "Evidence maps, which do not know the side,"
    said = f"{number(abs(mean))} in mean cosine"
    if low > 0:
        return f"{start} agree better by {said} (95% interval {span(low, high)})."
    if high < 0:
        return f"{start} agree less by {said} (95% interval {span(-high, -low)})."
    return (
        f"{start} do not agree better or worse than can be told from chance "
        f"(difference {number(mean)}, 95% interval {span(low, high)})."
    )


def _same_side(ais: pd.DataFrame) -> str | None:
    """Say how often pairs err on the same side, and how well they agree there."""
    needed = ["same_side_share", "same_side_mean", "mean"]
    if any(column not in ais.columns for column in needed):
        return None
    ais = ais.dropna(subset=needed)
    if ais.empty:
        return None
    share, on_same, overall = (
        ais["same_side_share"],
        ais["same_side_mean"].mean(),
        ais["mean"].mean(),
    )
    if len(ais) == 1:
        who, how_often = "The two networks err", percent(share.iloc[0])
    else:
        who = "Two networks err"
        least, most = percent(share.min()), percent(share.max())
        how_often = percent(share.mean()) + (
            f" (pairs: {least} to {most})" if least != most else ""
        )
    start = (
        f"{who} on the same side of the human rating on {how_often} of the images; on those alone "
    )
    higher = int((ais["same_side_mean"] > ais["mean"]).sum())
    if on_same > overall and higher > len(ais) / 2:
        pairs = f" (higher for {higher} of {len(ais)} pairs)" if len(ais) > 1 else ""
        return (
            f"{start}their AIS maps have a mean cosine of {number(on_same)} instead of "
            f"{number(overall)}{pairs}, so part of the disagreement is the side of the error, "
            "not the place of the evidence."
        )
    no_better = (
        f"agree better in only {higher} of {len(ais)} pairs" if higher else "agree no better"
    )
    return (
        f"{start}their AIS maps {no_better} (mean cosine {number(on_same)} against "
        f"{number(overall)}), so the side of the error does not explain the disagreement."
    )
