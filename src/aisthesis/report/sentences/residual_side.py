"""How much of two backbones' disagreement is the side on which they err, and how much the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.folder.image_values import PAIR, paired_values
from aisthesis.report.sentences.estimates import Estimate
from aisthesis.report.words.wording import (
    FEW_IMAGES,
    KIND_NAMES,
    capitalised,
    number,
    percent,
    size,
    span,
)
from aisthesis.stats.bootstrap import mean_intervals
from aisthesis.stats.jackknife import pseudo_values
from aisthesis.stats.means import mean_of_defined

__all__ = ["observe_residual_side", "side_estimates", "with_sides"]

#: What is estimated.
SIDES = "agreement on the same side less on opposite sides"
KINDS_APART = "agreement of evidence less of AIS maps"

_BOUNDS = (-2.0, 2.0)  # of a difference of two cosines


def _per_image_difference(per_image: pd.DataFrame, kind: str, other: str) -> np.ndarray:
    """Agreement of one kind minus another's on each image, averaged over pairs, NaN dropped."""
    _, own, others = paired_values(per_image, (kind, "cosine"), (other, "cosine"))
    each = mean_of_defined(own - others, axis=1)
    return each[np.isfinite(each)]


def side_estimates(
    per_image: pd.DataFrame, averaged: pd.DataFrame, n_boot: int = 2000
) -> list[Estimate]:
    """Estimate what erring on the same side changes, and AIS against evidence agreement.

    Of maps by place where there are some, else of those by channel.

    Parameters
    ----------
    per_image : pandas.DataFrame
        `agreement_images.csv`; may be empty.
    averaged : pandas.DataFrame
        One row per image and backbone with `rating` and `prediction`.
    n_boot : int
        Bootstrap draws of the images.
    """
    return _estimates(*_held(per_image, averaged), n_boot)


def _estimates(
    signed: str, plain: str, values: pd.DataFrame, differences: np.ndarray, n_boot: int
) -> list[Estimate]:
    """As `side_estimates`, of what `_held` gives."""
    found = []
    if values["same"].nunique() > 1 and values["image"].nunique() >= FEW_IMAGES:
        ends = _difference_of_sides(values, n_boot)
        n = values["image"].nunique()
        found.append(Estimate(SIDES, signed, "cosine", "difference", *ends, 0.95, n))
    if len(differences) >= FEW_IMAGES:
        interval = mean_intervals(differences[:, None], seed=0, n_boot=n_boot, bounds=_BOUNDS)
        ends = (float(differences.mean()), float(interval.low[0]), float(interval.high[0]))
        found.append(
            Estimate(KINDS_APART, plain, "cosine", "difference", *ends, 0.95, len(differences))
        )
    return found


def _held(
    per_image: pd.DataFrame, averaged: pd.DataFrame
) -> tuple[str, str, pd.DataFrame, np.ndarray]:
    """The two kinds of maps that are spoken of, values with sides, and differences by image."""
    known = (per_image["metric"] == "cosine") & per_image["value"].notna()
    by_place = (per_image["map"] == "ais_place") & known
    signed, plain = ("ais_place", "evidence_place") if by_place.any() else ("ais", "evidence")
    values = with_sides(per_image[(per_image["map"] == signed) & known], averaged)
    return signed, plain, values, _per_image_difference(per_image, plain, signed)


def observe_residual_side(
    per_image: pd.DataFrame, averaged: pd.DataFrame, n_boot: int = 2000
) -> str | None:
    """Say what erring on the same side changes, and set AIS against evidence agreement.

    Parameters
    ----------
    per_image, averaged, n_boot
        As in `side_estimates`.

    Returns
    -------
    str or None
        Up to two sentences; None where the study lacks what they need.
    """
    signed, plain, values, differences = _held(per_image, averaged)
    estimates = _estimates(signed, plain, values, differences, n_boot)
    found = {one.about: one for one in estimates}
    said = [_same_side(values, signed, found.get(SIDES)), _contrast(found.get(KINDS_APART), plain)]
    return " ".join(text for text in said if text) or None


def with_sides(values: pd.DataFrame, averaged: pd.DataFrame) -> pd.DataFrame:
    """Add `same`: whether both of the pair err on the same side of the human rating.

    Rows whose image has no rating or prediction are left out.
    """
    residual = (averaged["prediction"] - averaged["rating"]).to_numpy(dtype=float)
    images, labels = (_coded(averaged[name]) for name in ("image", "backbone"))
    # The last are of those unknown.
    sides = np.full((len(images.categories) + 1, len(labels.categories) + 1), np.nan)
    sides[images.codes, labels.codes] = np.sign(residual)
    image = _places(values["image"], images.categories)
    of_a, of_b = (sides[image, _places(values[name], labels.categories)] for name in PAIR)
    known = np.isfinite(of_a) & np.isfinite(of_b)
    return values.assign(same=of_a == of_b)[known]


def _coded(names: pd.Series) -> Any:
    """Names as categories, which those of long tables are: see `read_long_csv`."""
    return names.astype("category").cat


def _places(names: pd.Series, among: pd.Index) -> NDArray[np.intp]:
    """Place of each name among others; -1 where it is none of them."""
    own = _coded(names)
    if own.categories.equals(among):
        return own.codes.to_numpy()
    return among.get_indexer(own.categories)[own.codes]


def _difference_of_sides(values: pd.DataFrame, n_boot: int) -> tuple[float, float, float]:
    """Mean agreement on the same side less that on opposite sides, with its 95% interval.

    By what each image adds to the difference (jackknife).
    """
    image, names = pd.factorize(values["image"])
    sums = np.stack([
        values["value"][own].groupby(image[own]).agg(["sum", "size"])
        .reindex(range(len(names))).fillna(0.0).to_numpy()
        for own in (values["same"].to_numpy(), ~values["same"].to_numpy())
    ])  # fmt: skip
    total = sums.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        whole, left = ((one[..., 0] / one[..., 1]) for one in (total, total - sums))
    difference = float(whole[0, 0] - whole[1, 0])
    without = (left[0] - left[1])[:, None]
    if not np.isfinite(without).all():  # one image alone has a side
        return difference, np.nan, np.nan
    pseudo = pseudo_values(np.array([difference]), without)
    low, high = mean_intervals(pseudo, seed=0, n_boot=n_boot, bounds=_BOUNDS)
    return difference, float(low[0]), float(high[0])


def _contrast(found: Estimate | None, kind: str) -> str | None:
    """Say whether evidence maps, which have no side, agree better than AIS maps."""
    if found is None or not found.known:
        return None
    mean, low, high = found.value, found.low, found.high
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


def _same_side(values: pd.DataFrame, kind: str, found: Estimate | None) -> str | None:
    """Say how often pairs err on the same side, and how much more they agree there."""
    if values.empty:
        return None
    pairs = values.groupby(PAIR, sort=False, observed=True)["same"].mean()
    share = percent(float(values["same"].mean()))
    if len(pairs) == 1:
        start = (
            f"The two networks err on the same side of the human rating on {share} of the images"
        )
    else:
        start = f"Two networks err on the same side of the human rating on {share} of the images"
        least, most = percent(pairs.min()), percent(pairs.max())
        start += f" (pairs: {least} to {most})" if least != most else ""
    if found is None:
        return f"{start}."
    on_same, on_other = (values.loc[values["same"] == s, "value"].mean() for s in (True, False))
    interval = span(found.low, found.high)
    measured = (
        f"There their {KIND_NAMES[kind]} maps have a mean cosine of {number(on_same)}, where they "
        f"err on opposite sides of {number(on_other)} (difference {number(found.value)}, "
        f"{f'95% interval {interval}' if interval else 'no interval'}): "
    )
    if found.low > 0:
        return (
            f"{start}. {measured}part of the disagreement is the side of the error, not the place."
        )
    return f"{start}. {measured}the side is not shown to explain the disagreement."
