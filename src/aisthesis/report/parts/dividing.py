"""What kind of image divides the networks: agreement over images against what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.folder.selection import DIVIDED
from aisthesis.report.sentences.estimates import Estimate
from aisthesis.report.words.wording import KIND_NAMES, and_list, count, number, span
from aisthesis.stats.correlation import spearman
from aisthesis.stats.jackknife import jackknife, left_out, studentised_interval
from aisthesis.stats.ranks import average_ranks

__all__ = [
    "divided_from",
    "dividing_estimates",
    "observe_dividing",
    "partial_rank_correlations",
    "rank_correlation",
]

FEWEST_IMAGES = 20
#: What is estimated.
RANK = "rank correlation with agreement"
PARTIAL = "partial rank correlation with agreement"
OUTER = 0.2  # share of images that count as having equal ratings, or unlike maps
Values = NDArray[np.float64]


def rank_correlation(x: Values, y: Values, level: float) -> tuple[float, float, float]:
    """Spearman's correlation over images with its interval, studentised by the jackknife.

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
    rho = float(spearman(x, y))
    left = jackknife(lambda kept: spearman(x[kept], y[kept]), left_out(len(y)))
    return rho, *studentised_interval(rho, left, len(y), "correlation", level)


def partial_rank_correlations(
    predictors: Values, y: Values, level: float
) -> list[tuple[float, float, float]]:
    """Spearman's correlation of each predictor with `y`, the other predictors held equal.

    Parameters
    ----------
    predictors : ndarray
        (K, N) finite values of at least two predictors.
    y : ndarray
        (N,) finite values.
    level : float
        Of the intervals over images, studentised by the jackknife.

    Returns
    -------
    list of (rho, low, high)
        One for each predictor; NaN where predictors determine one another.
    """
    everything = np.vstack([predictors, y])
    own = _partial(average_ranks(everything)[None])[0]
    left = jackknife(
        lambda kept: _partial(average_ranks(everything[:, kept].swapaxes(0, 1))),
        left_out(len(y)),
    )
    return [
        (float(rho), *studentised_interval(float(rho), column, len(y), "correlation", level))
        for rho, column in zip(own, left.T, strict=True)
    ]


def _partial(ranks: Values) -> Values:
    """(draws, K) partial correlations with the last of (draws, K + 1, N) variables."""
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).sum(axis=-1, keepdims=True))
    result = np.full((len(ranks), ranks.shape[1] - 1), np.nan)
    usable = (scale > 0).all(axis=(1, 2))
    unit = centred[usable] / scale[usable]
    correlations = unit @ unit.swapaxes(1, 2)
    fine = np.linalg.eigvalsh(correlations)[:, 0] > 1e-9
    precision = np.linalg.inv(correlations[fine])
    own = np.diagonal(precision, axis1=1, axis2=2)
    rows = np.flatnonzero(usable)[fine]
    result[rows] = -precision[:, :-1, -1] / np.sqrt(own[:, :-1] * own[:, -1:])
    return result


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


def _tested(facts: pd.DataFrame) -> pd.DataFrame:
    """What may go with agreement and varies enough, a column each, and `consensus` itself."""
    consensus, found = facts["consensus"], {}
    for name, (values, *_) in _candidates(facts).items():
        known = values.notna() & consensus.notna()
        if known.sum() >= FEWEST_IMAGES and min(values[known].nunique(), consensus.nunique()) > 2:
            found[name] = values
    return pd.DataFrame({**found, "consensus": consensus})


def dividing_estimates(facts: pd.DataFrame, kind: str) -> list[Estimate]:
    """Correlate agreement over images with what is known of them.

    Parameters
    ----------
    facts : pandas.DataFrame
        As `image_facts` gives it for maps of this kind.
    kind : str
        The kind of map.

    Returns
    -------
    list of Estimate
        Rank correlations, and partial ones of those whose interval excludes zero where there are
        several; empty with fewer than 20 images whose agreement is defined.
    """
    table = _tested(facts)
    names = [str(name) for name in table.columns[:-1]]
    level = 1 - 0.05 / max(len(names), 1)  # together they cover as often as one at 95%
    found = []
    for name in names:
        x, y = table[[name, "consensus"]].dropna().to_numpy(dtype=float).T
        found.append(_estimate(RANK, kind, name, rank_correlation(x, y, level), level,
                               len(y)))  # fmt: skip
    found = [one for one in found if one.known]
    shown = [one.name for one in found if one.shown]
    if len(shown) > 1:
        values = table[[*shown, "consensus"]].dropna().to_numpy(dtype=float).T
        partial = partial_rank_correlations(values[:-1], values[-1], level)
        found += [
            _estimate(PARTIAL, kind, name, one, level, values.shape[1])
            for name, one in zip(shown, partial, strict=True)
        ]
    return found


def _estimate(
    about: str, kind: str, name: str, ends: tuple[float, float, float], level: float, n: int
) -> Estimate:
    return Estimate(about, kind, "", name, *ends, level, n)


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
    estimates = dividing_estimates(facts, kind)
    found = {one.name: one for one in estimates if one.about == RANK}
    if not found:
        return None
    words = _candidates(facts)
    shown = {name: one for name, one in found.items() if one.shown}
    maps = f"{KIND_NAMES.get(kind, kind)} maps"
    if shown:
        parts = [
            f"{words[name][2 if one.value > 0 else 1]} (rank correlation of {name} and agreement "
            f"{number(one.value)}, {100 * one.level:.0f}% interval {span(one.low, one.high)})"
            for name, one in shown.items()
        ]
        said = f"The {maps} agree less on images {and_list(parts)}."
        if len(shown) > 1:
            partial = [one for one in estimates if one.about == PARTIAL]
            known = _tested(facts)[[*shown, "consensus"]].dropna()
            said += f" {_together(known[list(shown)], partial)}"
    else:
        ends = [number(pick(one.value for one in found.values())) for pick in (min, max)]
        between = f"is {ends[0]}" if len(found) == 1 else f"run from {ends[0]} to {ends[1]}"
        said = (
            "No kind of image is shown to divide them: the rank "
            f"correlation{'s' if len(found) > 1 else ''} of {and_list(list(found))} with how far "
            f"{maps} agree {between}, and every interval includes zero."
        )
    other = _same_rating_other_evidence(facts)
    return f"{said} {other}" if other else said


def _together(table: pd.DataFrame, partial: Sequence[Estimate]) -> str:
    """Say how the predictors go together, and which is shown with the others held equal.

    Parameters
    ----------
    table : pandas.DataFrame
        A column a predictor, without NaN.
    partial : sequence of Estimate
        Their partial rank correlations with agreement.
    """
    names = [str(name) for name in table.columns]
    values = table.to_numpy(dtype=float).T
    between = [
        f"{a} and {b} {number(float(spearman(values[i], values[j])))}"
        for (i, a), (j, b) in combinations(enumerate(names), 2)
    ]
    left = [one for one in partial if one.shown]
    start = f"These go together (rank correlation of {and_list(between)})"
    held = "with the other held equal" if len(names) == 2 else "with the others held equal"
    parts = [
        f"{one.name} ({number(one.value)}, interval {span(one.low, one.high)})" for one in left
    ]
    if len(left) == len(names):
        return (
            f"{start}; {held} each is still shown, by partial rank correlations of "
            f"{and_list(parts)}."
        )
    if not left:
        return f"{start} and are not {len(names)} findings: {held} none of them is shown."
    verb = "is" if len(left) == 1 else "are"
    return (
        f"{start} and are not {len(names)} findings: {held} only {and_list(parts)} {verb} still "
        "shown by its partial rank correlation."
    )


def divided_from(n: int) -> float:
    """Score from which at most a fifth of n images can lie, where no two are equal.

    Scores are shares of images that are at least as far out, multiples of 1 / n.
    """
    return 1 + (1 - int(n * OUTER)) / max(n, 1)


def _tied_beyond(column: pd.Series, end: float, fifth: int) -> bool:
    """Whether equal values make more images than a fifth as far out as `end`."""
    return bool((column == end).sum() > 1 and (column <= end).sum() > fifth)


def _same_rating_other_evidence(facts: pd.DataFrame) -> str | None:
    """Count the images in the outer fifths of both: most equal ratings, least alike maps."""
    known = facts.dropna(subset=[DIVIDED]) if DIVIDED in facts else facts.iloc[:0]
    scores = known[DIVIDED] if len(known) else pd.Series(dtype=float)
    if len(scores) < FEWEST_IMAGES:
        return None
    fifth = int(len(scores) * OUTER)
    chosen = scores >= divided_from(len(scores)) - 1e-9
    n, expected = int(chosen.sum()), fifth**2 / len(scores)
    columns = [known[name] for name in ("prediction_sd", "consensus") if name in known]
    if any(_tied_beyond(column, column[chosen].max(), fifth) for column in columns):
        return None
    return (
        f"{n} of {count(len(scores), 'image')} {'is' if n == 1 else 'are'} both in the fifth with "
        "the most equal predictions and in the fifth with the least alike maps "
        f"({number(expected, 0 if expected >= 1 else 1)} expected by chance)."
    )
