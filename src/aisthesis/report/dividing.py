"""What kind of image divides the networks: agreement over images against what is known of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap, rankdata

from aisthesis.report.selection import DIVIDED
from aisthesis.report.wording import KIND_NAMES, and_list, count, number, span

__all__ = ["divided_from", "observe_dividing", "partial_rank_correlations", "rank_correlation"]

FEWEST_IMAGES = 20
OUTER = 0.2  # share of images that count as having equal ratings, or unlike maps
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


def partial_rank_correlations(
    predictors: Values, y: Values, level: float, draws: int = 999
) -> list[tuple[float, float, float]]:
    """Spearman's correlation of each predictor with `y`, the other predictors held equal.

    Parameters
    ----------
    predictors : ndarray
        (K, N) finite values of at least two predictors.
    y : ndarray
        (N,) finite values.
    level : float
        Of the percentile bootstrap intervals over images.
    draws : int
        Of the bootstrap.

    Returns
    -------
    list of (rho, low, high)
        One for each predictor; NaN where predictors determine one another.
    """
    everything = np.vstack([predictors, y])
    chosen = np.random.default_rng(0).integers(0, len(y), (draws, len(y)))
    own = _partial(rankdata(everything, axis=-1)[None])[0]
    drawn = _partial(rankdata(everything[:, chosen].swapaxes(0, 1), axis=-1))
    tail = (1 - level) / 2
    found = []
    for rho, column in zip(own, drawn.T, strict=True):
        known = column[np.isfinite(column)]
        enough = np.isfinite(rho) and len(known) >= (1 - tail) * draws
        ends = np.quantile(known, [tail, 1 - tail]) if enough else (np.nan, np.nan)
        found.append((float(rho), float(ends[0]), float(ends[1])))
    return found


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
    found = {name: r for name, r in found.items() if np.isfinite(r[:3]).all()}
    if not found:
        return None
    shown = {name: r for name, r in found.items() if r[1] > 0 or r[2] < 0}
    maps = f"{KIND_NAMES.get(kind, kind)} maps"
    if shown:
        parts = [
            f"{low if rho > 0 else high} (rank correlation of {name} and agreement {number(rho)}, "
            f"{100 * level:.0f}% interval {span(start, end)})"
            for name, (rho, start, end, high, low) in shown.items()
        ]
        said = f"The {maps} agree less on images {and_list(parts)}."
        if len(shown) > 1:
            table = pd.DataFrame({name: tested[name][0] for name in shown}).assign(_y=consensus)
            said += f" {_together(table.dropna(), level)}"
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


def _together(table: pd.DataFrame, level: float) -> str:
    """Say how the predictors go together, and which is shown with the others held equal.

    Parameters
    ----------
    table : pandas.DataFrame
        A column a predictor, without NaN; the last is agreement.
    level : float
        Of the intervals.
    """
    names = [str(name) for name in table.columns[:-1]]
    values = table.to_numpy(dtype=float).T
    between = [
        f"{a} and {b} {number(float(_spearman(values[i], values[j])))}"
        for (i, a), (j, b) in combinations(enumerate(names), 2)
    ]
    partial = dict(zip(names, partial_rank_correlations(values[:-1], values[-1], level),
                       strict=True))  # fmt: skip
    left = {name: r for name, r in partial.items() if r[1] > 0 or r[2] < 0}
    start = f"These go together (rank correlation of {and_list(between)})"
    held = "with the other held equal" if len(names) == 2 else "with the others held equal"
    parts = [
        f"{name} ({number(rho)}, interval {span(low, high)})"
        for name, (rho, low, high) in left.items()
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
