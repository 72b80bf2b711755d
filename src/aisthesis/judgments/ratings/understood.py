"""What was understood of a table of ratings, in a few lines for its owner."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aisthesis.judgments.ratings.layout import KINDS

if TYPE_CHECKING:
    from aisthesis.judgments.ratings.reading import Ratings
    from aisthesis.judgments.similarity.judgments import Similarities

__all__ = ["lines_on", "lines_on_similarities"]


def lines_on(ratings: Ratings) -> list[str]:
    """Layout, raters, range, what is missing, and the noise ceiling, a line each."""
    mean, single = ratings.mean, ratings.single
    lines = [f"read as {KINDS[ratings.layout]}", *ratings.said]
    counts = mean["n_raters"].dropna()
    text = _count(len(mean), "image")
    if single is not None and ratings.layout != "anonymous":
        text += f", {_count(single['rater'].nunique(), 'rater')}"
    if len(counts):
        fewest, most = int(counts.min()), int(counts.max())
        each = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
        what = "votes" if ratings.layout == "votes" else "ratings"
        text += f", {each} {what} each"
    low, high = mean["rating"].min(), mean["rating"].max()
    text += f"; mean ratings from {low:g} to {high:g}"
    if single is not None:
        text += f", single ones from {single['rating'].min():g} to {single['rating'].max():g}"
    lines.append(text)
    if ratings.n_left_out:
        lines.append(f"{_count(ratings.n_left_out, 'empty answer')} left out")
    lines += _on_retests(ratings)
    lines.append(_on_ceiling(ratings))
    return lines


def lines_on_similarities(similarities: Similarities) -> list[str]:
    """Subjects, images, missing pairs, what the values are taken for, and what was found out."""
    n, k = len(similarities.names), len(similarities.subjects)
    how = f" ({similarities.inferred})" if similarities.inferred else ""
    missing = f", {similarities.n_missing} of them missing" if similarities.n_missing else ""
    taken = {"similarity": "similarities", "dissimilarity": "dissimilarities"}.get(
        similarities.given, "similarities of some subjects and dissimilarities of the others"
    )
    first = (
        f"{k} matri{'ces' if k > 1 else 'x'} of {n} images, {n * (n - 1) // 2} pairs each"
        f"{missing}; the values are taken as {taken}{how}"
    )
    return [first, *(f"judgments: {line}" for line in similarities.said)]


def _on_retests(ratings: Ratings) -> list[str]:
    held = ratings.retests
    if held is None or held.empty:
        return []
    n = int(held["n_images"].sum())
    text = (
        f"{_count(len(held), 'rater')} rated {_count(n, 'image')} more than once "
        f"({int(held['n_ratings'].sum()):,} ratings), averaged"
    )
    known = held["reliability"].dropna()
    if len(known):
        text += (
            f"; a rater's own reliability (first with second rating): median "
            f"{known.median():.2f}, from {known.min():.2f} to {known.max():.2f}"
        )
    return [text]


def _on_ceiling(ratings: Ratings) -> str:
    ceiling = ratings.noise_ceiling
    if ceiling is None:
        return "no noise ceiling: it needs the ratings of single raters, or numbers of votes"
    if math.isnan(ceiling.correlation):
        return f"no noise ceiling: {ceiling.reason}"
    return (
        f"noise ceiling: reliability {ceiling.reliability:.3f}, so a correlation of "
        f"{ceiling.correlation:.3f} with the mean rating at most"
    )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
