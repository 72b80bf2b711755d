"""What kind of image divides the networks: agreement over images against what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap, rankdata

from aisthesis.report.selection import DIVIDED
from aisthesis.report.wording import KIND_NAMES, and_list, count, number, span

__all__ = ["DIVIDED_FROM", "observe_dividing", "rank_correlation"]

FEWEST_IMAGES = 20
DIVIDED_FROM = 0.8  # score from which an image counts as same rating, other evidence
Values = NDArray[np.float64]


def _spearman(x: Values, y: Values, axis: int = -1) -> Values:
    ranks = [rankdata(one, axis=axis) for one in (x, y)]
    centred = [one - one.mean(axis=axis, keepdims=True) for one in ranks]
    product = (centred[0] * centred[1]).sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: Values = product / np.sqrt(np.prod([(c**2).sum(axis=axis) for c in centred], axis=0))
    return rho


def rank_correlation(x: Values, y: Values, level: float) -> tuple[float, float, float]:
    """Spearman's correlation over images with its percentile bootstrap interval.

    Parameters
    ----------
    x, y : ndarray
        (N,) finite values.
    level : float
        Share of studies in which the interval shall cover the true value.

    Returns
    -------
    rho, low, high : float
    """
    found = bootstrap(
        (x, y), _spearman, paired=True, vectorized=True, n_resamples=999, method="percentile",
        confidence_level=level, rng=np.random.default_rng(0),
    )  # fmt: skip
    interval = found.confidence_interval
    return float(_spearman(x, y)), float(interval.low), float(interval.high)


def _candidates(facts: pd.DataFrame) -> dict[str, tuple[pd.Series, str, str]]:
    """What may go with agreement, with words for images where it is high and where it is low."""
    rating = facts["rating"]
    return {
        "rating": (rating, "that people rate high", "that people rate low"),
        "extremeness of the rating": (
            (rating - rating.median()).abs(),
            "with an extreme rating",
            "with a middling rating",
        ),
        "prediction error": (
            facts["error"],
            "whose rating is predicted badly",
            "whose rating is predicted well",
        ),
    }


def observe_dividing(facts: pd.DataFrame, kind: str) -> str | None:
    """Say on what kind of image networks agree less, if the intervals show one.

    Parameters
    ----------
    facts : pandas.DataFrame
        As `image_facts` gives it for maps of this kind.
    kind : str
        The kind of map.

    Returns
    -------
    str or None
        None with fewer than 20 images whose agreement is defined.
    """
    consensus = facts["consensus"]
    tested = {}
    for name, (values, high, low) in _candidates(facts).items():
        known = values.notna() & consensus.notna()
        if known.sum() >= FEWEST_IMAGES and min(values[known].nunique(), consensus.nunique()) > 2:
            tested[name] = (values[known], consensus[known], high, low)
    if not tested:
        return None
    level = 1 - 0.05 / len(tested)  # so that all intervals together cover as often as one at 95%
    found = {
        name: (*rank_correlation(x.to_numpy(float), y.to_numpy(float), level), high, low)
        for name, (x, y, high, low) in tested.items()
    }
    shown = {name: r for name, r in found.items() if r[1] > 0 or r[2] < 0}
    maps = f"{KIND_NAMES.get(kind, kind)} maps"
    if shown:
        parts = [
            f"{low if rho > 0 else high} (rank correlation of {name} and agreement {number(rho)}, "
            f"{100 * level:.0f}% interval {span(start, end)})"
            for name, (rho, start, end, high, low) in shown.items()
        ]
        said = f"The {maps} agree less on images {and_list(parts)}."
    else:
        ends = [number(pick(r[0] for r in found.values())) for pick in (min, max)]
        between = f"is {ends[0]}" if len(found) == 1 else f"run from {ends[0]} to {ends[1]}"
        said = (
            "No kind of image is shown to divide them: the rank "
            f"correlation{'s' if len(found) > 1 else ''} of {and_list(list(found))} with how far "
            f"{maps} agree {between}, and every interval includes zero."
        )
    other = _same_rating_other_evidence(facts)
    return f"{said} {other}" if other else said


def _same_rating_other_evidence(facts: pd.DataFrame) -> str | None:
    """Count the images in the outer fifths of both: most equal ratings, least alike maps."""
    scores = facts[DIVIDED].dropna() if DIVIDED in facts else pd.Series(dtype=float)
    if scores.empty:
        return None
    n, expected = int((scores >= DIVIDED_FROM).sum()), len(scores) * (1 - DIVIDED_FROM) ** 2
    return (
        f"{n} of {count(len(scores), 'image')} {'is' if n == 1 else 'are'} both in the fifth with "
        "the most equal predictions and in the fifth with the least alike maps "
        f"({number(expected, 0 if expected >= 1 else 1)} expected by chance)."
    )
