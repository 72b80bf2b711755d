"""How tables of judgments are read: names of their columns, and their layout where it is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from aisthesis.config.section import Section

__all__ = ["Columns", "RatingColumns", "SimilarityColumns", "TableColumns"]


class TableColumns(Section):
    """Names of columns that tables of ratings and of pairs both may have."""

    image_a: str = "image_a"
    image_b: str = "image_b"
    choice: str = "choice"
    votes_a: str = "votes_a"
    votes_b: str = "votes_b"
    names: tuple[str, ...] = ()
    reader: str | Callable[..., Any] = ""

    @model_validator(mode="before")
    @classmethod
    def _names_by_position(cls, values: Any) -> Any:
        return {"names": values} if isinstance(values, list | tuple) else values


class RatingColumns(TableColumns):
    """How the table of ratings is read: names of its columns, and its layout where it is said."""

    image: str = "image"
    rating: str = "rating"
    rater: str = "rater"
    layout: Literal[
        "auto", "means", "ratings", "anonymous", "wide", "transposed", "votes", "choices"
    ] = "auto"
    raters: Literal["anonymous"] | tuple[str, ...] = ()
    votes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    where: dict[str, str | bool | int | float | tuple[str | bool | int | float, ...]] = Field({})
    retests: Literal["auto", "mean"] = "auto"
    match: Literal["auto", "exact"] = "auto"
    winner: str = "winner"
    loser: str = "loser"


class Columns(RatingColumns):
    """The same, with a column of ratings for each of several properties."""

    rating: str | tuple[str, ...] = "rating"  # type: ignore[assignment]

    @field_validator("rating")
    @classmethod
    def _one_is_no_list(cls, rating: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(rating, tuple):
            return rating
        if not rating:
            raise ValueError("`rating`: expected the name of a column, or of several, got none")
        return rating[0] if len(rating) == 1 else rating


class SimilarityColumns(TableColumns):
    """Names of the columns of a long table, and whether a pair's several values are averaged.

    `repeated` is "mean" to average them always, also the two halves of a matrix; "auto" does so in
    long tables from three repeated pairs on. `reader` is one of the user's own: a function of a
    file's path that gives a long or square table, or its name, `package.module:attribute`.
    """

    subject: str = "subject"
    similarity: str = "similarity"
    dissimilarity: str = "dissimilarity"
    repeated: Literal["auto", "mean"] = "auto"
    reference: str = "reference"
    image_c: str = "image_c"
    odd: str = "odd"
    votes_c: str = "votes_c"
