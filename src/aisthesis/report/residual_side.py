"""How much of two backbones' disagreement is the side on which they err, and how much the place."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.report.wording import (
    FEW_IMAGES,
    KIND_NAMES,
    capitalised,
    number,
    percent,
    size,
    span,
)
from aisthesis.stats.bootstrap import mean_intervals, percentile_intervals

__all__ = ["observe_residual_side", "with_sides"]

_PAIR = ["backbone_a", "backbone_b"]


def _per_image_difference(per_image: pd.DataFrame, kind: str, other: str) -> np.ndarray:
    """Agreement of one kind minus another's on each image, averaged over pairs, NaN dropped."""
    wide = per_image.pivot_table(index=["image", *_PAIR], columns="map", values="value")
    if not {kind, other} <= set(wide.columns):
        return np.empty(0)
    pairwise = (wide[kind] - wide[other]).dropna()
    return pairwise.groupby(level="image").mean().to_numpy()


def observe_residual_side(
    per_image: pd.DataFrame, averaged: pd.DataFrame, n_boot: int = 2000
) -> str | None:
    """Say what erring on the same side changes, and set AIS against evidence agreement.

    Of maps by place where there are some, else of those by channel.

    Parameters
    ----------
    per_image : pandas.DataFrame
        `agreement_images.csv`; may be empty.
    averaged : pandas.DataFrame
        One row per image and backbone with `rating` and `prediction`.
    n_boot : int
        Bootstrap draws of the images.

    Returns
    -------
    str or None
        Up to two sentences; None where the study lacks what they need.
    """
    rows = per_image[per_image["metric"] == "cosine"].dropna(subset=["value"])
    by_place = (rows["map"] == "ais_place").any()
    signed, plain = ("ais_place", "evidence_place") if by_place else ("ais", "evidence")
    said = [
        _same_side(with_sides(rows[rows["map"] == signed], averaged), signed, n_boot),
        _contrast(_per_image_difference(rows, plain, signed), plain),
    ]
    return " ".join(text for text in said if text) or None


def with_sides(values: pd.DataFrame, averaged: pd.DataFrame) -> pd.DataFrame:
    """Add `same`: whether both of the pair err on the same side of the human rating.

    Rows whose image has no rating or prediction are left out.
    """
    residual = averaged["prediction"] - averaged["rating"]
    keys = pd.MultiIndex.from_frame(averaged[["image", "backbone"]])
    sides = pd.Series(np.sign(residual.to_numpy(dtype=float)), index=keys)
    of_a, of_b = (
        sides.reindex(pd.MultiIndex.from_frame(values[["image", name]])).to_numpy()
        for name in _PAIR
    )
    known = np.isfinite(of_a) & np.isfinite(of_b)
    return values.assign(same=of_a == of_b)[known]


def _difference_of_sides(values: pd.DataFrame, n_boot: int) -> tuple[float, float]:
    """95% percentile interval over images of same-side minus opposite-side agreement."""
    sums = np.stack([
        part.groupby("image")["value"].agg(["sum", "size"]).reindex(values["image"].unique())
        .fillna(0.0).to_numpy()
        for part in (values[values["same"]], values[~values["same"]])
    ])  # fmt: skip
    n = sums.shape[1]
    chosen = np.random.default_rng(0).integers(0, n, (n_boot, n))
    drawn = sums[:, chosen].sum(axis=2)  # (side, draws, sum and size)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = drawn[..., 0] / drawn[..., 1]
    differences = means[0] - means[1]
    low, high = percentile_intervals(differences[:, None])
    return float(low[0]), float(high[0])


def _contrast(differences: np.ndarray, kind: str) -> str | None:
    """Say whether evidence maps, which have no side, agree better than AIS maps."""
    if len(differences) < FEW_IMAGES:
        return None
    interval = mean_intervals(differences[:, None], seed=0, n_boot=2000)
    low, high = float(interval.low[0]), float(interval.high[0])
    if not np.isfinite([low, high]).all():
        return None
    mean = float(differences.mean())
    start = f"{capitalised(KIND_NAMES[kind])} maps, which do not know the side,"
    said = f"{size(mean)} in mean cosine"
    if low > 0:
        return f"{start} agree better by {said} (95% interval {span(low, high)})."
    if high < 0:
        return f"{start} agree less by {said} (95% interval {span(-high, -low)})."
    return (
        f"{start} do not agree better or worse than can be told from chance "
        f"(difference {number(mean)}, 95% interval {span(low, high)})."
    )


def _same_side(values: pd.DataFrame, kind: str, n_boot: int) -> str | None:
    """Say how often pairs err on the same side, and how much more they agree there."""
    if values.empty:
        return None
    pairs = values.groupby(_PAIR, sort=False)["same"].mean()
    share = percent(float(values["same"].mean()))
    if len(pairs) == 1:
        start = (
            f"The two networks err on the same side of the human rating on {share} of the images"
        )
    else:
        start = f"Two networks err on the same side of the human rating on {share} of the images"
        least, most = percent(pairs.min()), percent(pairs.max())
        start += f" (pairs: {least} to {most})" if least != most else ""
    if values["same"].nunique() < 2 or values["image"].nunique() < FEW_IMAGES:
        return f"{start}."
    on_same, on_other = (values.loc[values["same"] == s, "value"].mean() for s in (True, False))
    low, high = _difference_of_sides(values, n_boot)
    interval = span(low, high)
    found = (
        f"There their {KIND_NAMES[kind]} maps have a mean cosine of {number(on_same)}, where they "
        f"err on opposite sides of {number(on_other)} (difference {number(on_same - on_other)}, "
        f"{f'95% interval {interval}' if interval else 'no interval'}): "
    )
    if low > 0:
        return f"{start}. {found}part of the disagreement is the side of the error, not the place."
    return f"{start}. {found}the side is not shown to explain the disagreement."
