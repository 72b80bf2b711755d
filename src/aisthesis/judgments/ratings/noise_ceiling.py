"""How well any prediction can agree with ratings that people themselves agree on only so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.stats.bootstrap import percentile_intervals, resample_counts
from aisthesis.stats.correlation import pearson, pearson_of_draws
from aisthesis.stats.means import mean_of_defined

__all__ = ["NoiseCeiling", "ceiling_of_halves", "noise_ceiling", "noise_ceiling_of_votes"]

Array = NDArray[np.float64]

_MIN_IMAGES = 3


@dataclass(frozen=True)
class NoiseCeiling:
    """Reliability of mean ratings and what it allows; NaN where undefined, with the reason.

    Attributes
    ----------
    reliability
        R: split-half correlation, Spearman-Brown corrected to all raters.
    correlation
        √R, the highest correlation with the mean rating that can be expected; NaN if R < 0.
    r2
        R, the highest R² that can be expected; NaN if R < 0.
    reliability_low, reliability_high, correlation_low, correlation_high, r2_low, r2_high
        95% bootstrap intervals over images. A bound of √R or R² is NaN where that of R is below 0.
    n_images
        Images with at least two raters, on which all of this rests.
    n_excluded
        Images with one rater, left out here.
    n_raters
        Different raters; of votes, the most for one image.
    n_splits
        Random halvings averaged over; 0 for votes.
    n_undefined
        Halvings without a correlation (a half without variation), left out.
    method
        `raters`: everybody rated every image, and the raters are halved. `ratings`: different
        raters rated different images, and each image's ratings are halved by themselves. `votes`:
        only their numbers are known, and R is what the votes' variance within images leaves of the
        variance of the means. `choices`: halves of choices between images, each scaled by itself.
    reason
        Why a value is NaN, or None.
    """

    reliability: float
    correlation: float
    r2: float
    reliability_low: float
    reliability_high: float
    correlation_low: float
    correlation_high: float
    r2_low: float
    r2_high: float
    n_images: int
    n_excluded: int
    n_raters: int
    n_splits: int
    n_undefined: int
    method: Literal["raters", "ratings", "votes", "choices"]
    reason: str | None = None

    def as_dict(self) -> dict[str, float | int | str | None]:
        """Return all fields as plain values."""
        return asdict(self)


def noise_ceiling(
    single: pd.DataFrame, *, n_splits: int = 200, n_boot: int = 1000, seed: int = 0
) -> NoiseCeiling:
    r"""Estimate the noise ceiling from single raters' ratings.

    The ratings of each image are halved at random, the two halves' means are correlated over
    images, and the correlation r, averaged over `n_splits` halvings, is corrected to the number
    of raters by the Spearman-Brown formula

    .. math:: R = \frac{n r}{1 + (n - 1) r}, \qquad n = \frac{k}{h}

    with k raters an image and h in each half (harmonic means over images; of an odd number one
    rating is left out at random). For even k this is the familiar 2r / (1 + r). The result does
    not depend on the order of the rows.

    Parameters
    ----------
    single
        Long format: columns `image`, `rater`, `rating`; no image and rater twice, all finite.
    n_splits
        Random halvings.
    n_boot
        Bootstrap resamples of the images; 0 leaves the intervals NaN.
    seed
        Of halvings and resamples.

    Returns
    -------
    NoiseCeiling

    References
    ----------
    Spearman, C. (1910). Correlation calculated from faulty data. British J. Psychology 3, 271-295.
    Brown, W. (1910). Some experimental results in the correlation of mental abilities.
    British J. Psychology 3, 296-322.
    """
    table, complete = _by_image(single)
    n_ratings = np.isfinite(table).sum(1)
    kept = table[n_ratings >= 2]
    facts = _Facts(
        n_images=len(kept),
        n_excluded=len(table) - len(kept),
        n_raters=single["rater"].nunique(),
        n_splits=n_splits,
        method="raters" if complete else "ratings",
    )
    if len(kept) < _MIN_IMAGES:
        reason = (
            f"{len(kept)} of {len(table)} images have at least two raters; "
            f"at least {_MIN_IMAGES} are needed to estimate reliability"
        )
        return _told(facts, math.nan, np.empty(0), reason=reason)
    rng = np.random.default_rng(seed)
    halves = np.stack(list(_halvings(kept, complete, n_splits, rng)))  # (split, 2, image)
    n_times = _lengthening(np.isfinite(kept).sum(1))
    r = pearson(halves[:, 0], halves[:, 1])  # (split,)
    reliability = float(_spearman_brown(mean_of_defined(r, axis=-1), n_times))
    n_undefined = int(np.isnan(r).sum())
    if math.isnan(reliability):
        reason = (
            "the means of the halves do not vary between images"
            if n_undefined == n_splits
            else "the two halves of the ratings contradict each other"
        )
        return _told(facts, math.nan, np.empty(0), n_undefined, reason)
    return _told(facts, reliability, _bootstrap(halves, n_times, n_boot, seed), n_undefined)


def noise_ceiling_of_votes(
    mean: Array, variance: Array, n_votes: Array, *, n_boot: int = 1000, seed: int = 0
) -> NoiseCeiling:
    r"""Estimate the noise ceiling from each image's votes, whoever gave them.

    .. math:: R = 1 - \frac{\overline{s_i^2 / n_i}}{\operatorname{var}(m_i)}

    It is what halving the votes of each image converges to; how lenient single raters are is noise
    here, since nobody knows who voted for what.

    Parameters
    ----------
    mean, variance : (N,)
        Of each image's votes; the variance with n - 1.
    n_votes : (N,)
    n_boot
        Bootstrap resamples of the images; 0 leaves the intervals NaN.
    seed
        Of the resamples.
    """
    kept = n_votes >= 2
    facts = _Facts(
        n_images=int(kept.sum()),
        n_excluded=int((~kept).sum()),
        n_raters=int(n_votes.max(initial=0)),
        n_splits=0,
        method="votes",
    )
    if facts.n_images < _MIN_IMAGES:
        reason = (
            f"{facts.n_images} of {len(mean)} images have at least two votes; at least "
            f"{_MIN_IMAGES} are needed to estimate reliability"
        )
        return _told(facts, math.nan, np.empty(0), reason=reason)
    error, means = (variance / n_votes)[kept], mean[kept]
    reliability = float(_from_errors(means, error, np.ones((1, len(means))))[0])
    if math.isnan(reliability):
        return _told(facts, math.nan, np.empty(0), reason="the means do not vary between images")
    draws = resample_counts(len(means), n_boot, seed)
    drawn = [np.empty(0), *(_from_errors(means, error, counts) for counts in draws)]
    return _told(facts, reliability, np.concatenate(drawn))


def _from_errors(mean: Array, error: Array, weights: NDArray[Any]) -> Array:
    """Reliability of means with squared errors, for each resample of the images (resample, N)."""
    n = len(mean)
    centred = mean - mean.mean()
    variance = (weights @ centred**2 - (weights @ centred) ** 2 / n) / (n - 1)
    floor = 1e-24 * max(float((mean**2).mean()), np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > floor, 1 - weights @ error / n / variance, np.nan)


def ceiling_of_halves(
    halves: Array, *, n_raters: int, n_boot: int = 1000, seed: int = 0
) -> NoiseCeiling:
    """Estimate the noise ceiling from values of two random halves of all judgments.

    Parameters
    ----------
    halves : (split, 2, N)
        NaN throughout where a half allows no values.
    n_raters
        Different raters.
    """
    defined = np.isfinite(halves).all((1, 2))
    n_splits, n_images = len(halves), halves.shape[2]
    facts = _Facts(n_images, 0, n_raters, n_splits, "choices")
    if not defined.any() or n_images < _MIN_IMAGES:
        reason = "halves of the choices do not connect all images"
        return _told(facts, math.nan, np.empty(0), n_splits, reason)
    kept = halves[defined]
    r = pearson(kept[:, 0], kept[:, 1])
    reliability = float(_spearman_brown(mean_of_defined(r, axis=-1), 2.0))
    n_undefined = n_splits - int(np.isfinite(r).sum())
    if math.isnan(reliability):
        reason = "the two halves of the choices contradict each other"
        return _told(facts, math.nan, np.empty(0), n_undefined, reason)
    drawn = _bootstrap(kept, 2.0, n_boot, seed)
    return _told(facts, reliability, drawn, n_undefined)


def _by_image(single: pd.DataFrame) -> tuple[Array, bool]:
    """Ratings by image in the order of raters, shape (image, most ratings of one), NaN-padded.

    The second value says whether the same raters rated every image that has two or more ratings:
    then a column is a rater.
    """
    ordered = single.sort_values(["image", "rater"], kind="stable")
    image = ordered["image"].factorize()[0]
    place = ordered.groupby("image").cumcount().to_numpy()
    table = np.full((int(image.max()) + 1, int(place.max()) + 1), np.nan)
    table[image, place] = ordered["rating"].to_numpy(dtype=np.float64)
    counted = np.isfinite(table).sum(1)[image] >= 2  # (rating,)
    n_images = len(np.unique(image[counted]))
    n_raters = ordered["rater"][counted].nunique()
    return table, int(counted.sum()) == n_images * n_raters


@dataclass(frozen=True)
class _Facts:
    n_images: int
    n_excluded: int
    n_raters: int
    n_splits: int
    method: Literal["raters", "ratings", "votes", "choices"]


def _halvings(
    table: Array, complete: bool, n_splits: int, rng: np.random.Generator
) -> Iterator[Array]:
    """Means of two random halves of every image's ratings, shape (2, image), `n_splits` times."""
    rated = np.isfinite(table)
    half = (rated.sum(1) // 2)[:, None]  # (image, 1)
    values = np.where(rated, table, 0.0)
    for _ in range(n_splits):
        # One order of the raters for all images keeps a rater's leniency out of the differences
        # between images; where raters differ between images each image has its own order.
        key = rng.random(table.shape[1] if complete else table.shape)
        key = np.where(rated, key, np.inf)
        rank = key.argsort(axis=1).argsort(axis=1)  # unrated last
        first, second = rank < half, (rank >= half) & (rank < 2 * half)
        yield np.stack([(values * chosen).sum(1) / half[:, 0] for chosen in (first, second)])


def _lengthening(n_ratings: NDArray[np.integer]) -> float:
    """How many times longer the whole is than a half, by the error variance of their means."""
    return float((1.0 / (n_ratings // 2)).mean() / (1.0 / n_ratings).mean())


def _spearman_brown(r: Array, n_times: float) -> Array:
    denominator = 1.0 + (n_times - 1.0) * r
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 1e-12, n_times * r / denominator, np.nan)


def _bootstrap(halves: Array, n_times: float, n_boot: int, seed: int) -> Array:
    """Reliability of every resample of the images, shape (n_boot,)."""
    values = [np.empty(0)]
    for counts in resample_counts(halves.shape[2], n_boot, seed):
        r = pearson_of_draws(halves[:, 0], halves[:, 1], counts)
        values.append(_spearman_brown(mean_of_defined(r, axis=-1), n_times))
    return np.concatenate(values)


def _told(
    facts: _Facts,
    reliability: float,
    resampled: Array,
    n_undefined: int = 0,
    reason: str | None = None,
) -> NoiseCeiling:
    low, high = (float(end[0]) for end in percentile_intervals(resampled[:, None]))
    if reliability < 0:
        reason = (
            f"the reliability is negative ({reliability:.3f}): raters agree less than by chance, "
            "so no ceiling can be given"
        )
    return NoiseCeiling(
        reliability=reliability,
        correlation=_root(reliability),
        r2=_not_negative(reliability),
        reliability_low=low,
        reliability_high=high,
        correlation_low=_root(low),
        correlation_high=_root(high),
        r2_low=_not_negative(low),
        r2_high=_not_negative(high),
        n_images=facts.n_images,
        n_excluded=facts.n_excluded,
        n_raters=facts.n_raters,
        n_splits=facts.n_splits,
        n_undefined=n_undefined,
        method=facts.method,
        reason=reason,
    )


def _not_negative(value: float) -> float:
    return value if value >= 0 else math.nan


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan
