"""How a table of ratings is laid out: what it says itself, or what can be told from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aisthesis.config import RatingColumns
from aisthesis.errors import RequestError, or_list
from aisthesis.judgments.files.cells import image_name, is_missing, plain_number
from aisthesis.judgments.files.table import Table
from aisthesis.judgments.ratings.families import (
    Family,
    families,
    numbers,
    numeric_columns,
    speaks_for,
)

__all__ = ["KINDS", "Kind", "Layout", "headless", "layout_of", "looks_like_image"]

Kind = Literal["means", "ratings", "anonymous", "wide", "transposed", "votes", "choices"]
#: What each layout is, for messages.
KINDS: Mapping[Kind, str] = {
    "means": "one rating an image",
    "ratings": "one row an image and rater",
    "anonymous": "one row a rating, by raters without names, taken as different ones",
    "wide": "one row an image, one column a rater",
    "transposed": "one row a rater, one column an image",
    "votes": "one row an image, one column of votes for each point of the scale",
    "choices": "one row a choice between two images, scaled to ratings",
}
_IMAGES = ("image", "image_name", "image_id", "imagename", "filename", "file", "img", "picture")
_RATERS = "rater subject participant observer user worker annotator"
_OF_RATERS = frozenset(f"{word}{end}" for word in _RATERS.split() for end in ("", "_id", "id"))
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".ppm", ".jp2")
# Columns of numbers about an image that are no rater's.
_SUMMARIES = "mean mos median sd std se var min max count total n id index no nr"
_PROPERTIES = "width height size year age rt time set fold trial block order"
_ABOUT = frozenset([*_SUMMARIES.split(), *_PROPERTIES.split()])
_FEWEST_REPEATED = 3
_WIDEST_SPAN = 3.0
_CLOSE = 0.01


@dataclass(frozen=True)
class Layout:
    """Where a table holds what.

    Attributes
    ----------
    kind
    image
        Column of the images; empty where they are columns themselves.
    rating
        Column of the ratings, where there is one; for choices how they are said: by the `winner`,
        the `choice`, or numbers of `votes`.
    rater
        Column of the raters, where there is one.
    values
        Columns of votes, of raters, or of images.
    scale
        What a vote in each of those columns stands for.
    said
        What was found out, in words.
    cautions
        What a reader must not miss.
    """

    kind: Kind
    image: str
    rating: str = ""
    rater: str = ""
    values: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    said: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def layout_of(table: Table, asked: RatingColumns) -> Layout:
    """Tell the layout of a table.

    What the study says decides. Else a table with the column of ratings is one row an image, or one
    row a rating where it has the column of raters, or most of its images are repeated; without it,
    columns of votes or of raters are looked for.

    Raises
    ------
    RequestError
        If a column that is named is not there, or the layout cannot be told: with the key that says
        it.
    """
    choices = _choices(table, asked)
    if choices is not None:
        return choices
    if asked.votes or asked.layout == "votes":
        return _votes(table, asked)
    if asked.raters == "anonymous" or asked.layout == "anonymous":
        return Layout("anonymous", _image(table, asked), _rating(table, asked))
    if asked.layout == "transposed":
        return _transposed(table, asked)
    if asked.raters or asked.layout == "wide":
        return _wide(table, asked)
    if asked.layout == "means":
        return Layout("means", _image(table, asked), _rating(table, asked))
    if asked.layout == "ratings" or (
        asked.rater in table.columns and asked.rating in table.columns
    ):
        rating, rater = _rating(table, asked), asked.rater
        table.index(rater)
        return Layout("ratings", _image(table, asked), rating, rater)
    return _told(table, asked)


def _told(table: Table, asked: RatingColumns) -> Layout:
    """The layout of a table about which the study says no more than names of columns."""
    across = [column for column in table.columns if looks_like_image(column)]
    if (
        asked.image not in table.columns
        and len(across) > 1
        and len(across) * 2 > len(table.columns)
    ):
        return _transposed(table, asked)
    image, said = _image_found(table, asked)
    if asked.rating in table.columns:
        table.index(asked.rating)
        return _with_ratings(table, asked, image, said)
    others = (image, asked.rater)
    for family in families(table, others):
        speaks = speaks_for(family, numbers(table, family.columns))
        if speaks == "votes":
            return _votes(table, asked, family, said)
        if speaks == "raters":
            return _wide(table, asked, family.columns, said)
        if speaks == "either":
            raise RequestError(
                f"{table.name}: it cannot be told whether the columns {family.shown} hold numbers "
                'of votes or the ratings of single raters; say [columns] layout = "votes" or '
                '"wide"'
            )
    columns = _alike(table, others)
    if columns:
        raise RequestError(
            f"{table.name}: there is no column {asked.rating!r}, and it cannot be told whether "
            f"{columns[0]!r} to {columns[-1]!r} are raters or properties; say [columns] "
            f'layout = "wide" for raters, or rating = "{columns[0]}" for one property '
            "(a list for several)"
        )
    table.index(asked.rating)
    raise AssertionError  # the column is missing, and said so


def _choices(table: Table, asked: RatingColumns) -> Layout | None:
    """A table of choices between images, if it is one or is said to be."""
    ways = {
        "winner": (asked.winner, asked.loser),
        "choice": (asked.image_a, asked.image_b, asked.choice),
        "votes": (asked.image_a, asked.image_b, asked.votes_a, asked.votes_b),
    }
    there = {way: names for way, names in ways.items() if set(names) <= set(table.columns)}
    if asked.layout not in ("auto", "choices") or not (there or asked.layout == "choices"):
        return None
    if asked.rating in table.columns and asked.layout == "auto":
        return None
    if not there:
        raise RequestError(
            f"{table.name}: expected the columns {asked.winner!r} and {asked.loser!r}, or "
            f"{asked.image_a!r}, {asked.image_b!r} and {asked.choice!r} (or {asked.votes_a!r} and "
            f"{asked.votes_b!r}), got {', '.join(map(repr, table.columns))}; name them under "
            "[columns]"
        )
    way, names = next(iter(there.items()))
    for name in names:
        table.index(name)
    by = [c for c in table.columns if c == asked.rater] or [
        column for column in table.columns if column.lower() in _OF_RATERS
    ]
    said = (f"the raters are in the column {by[0]!r}",) if by and by[0] != asked.rater else ()
    return Layout("choices", "", way, by[0] if by else "", values=names, said=said)


def _with_ratings(table: Table, asked: RatingColumns, image: str, said: tuple[str, ...]) -> Layout:
    """A table with the column of ratings and none of raters."""
    repeated = _repeated(table, image)
    if repeated:
        by = [column for column in table.columns if column.lower() in _OF_RATERS]
        if len(by) == 1:
            said = (*said, f"the raters are in the column {by[0]!r}")
            return Layout("ratings", image, asked.rating, by[0], said=said)
        return Layout("anonymous", image, asked.rating, said=(*said, repeated))
    means = numbers(table, [asked.rating])[:, 0]
    for family in families(table, (image, asked.rater)):
        if asked.rating in family.columns:
            return Layout(
                "means",
                image,
                asked.rating,
                said=said,
                cautions=(
                    f"{asked.rating!r} is one of {len(family.columns)} columns, {family.shown}: if "
                    "each holds a rater's ratings, these are one rater's alone; say [columns] "
                    'layout = "wide" for the mean of all',
                ),
            )
        values = numbers(table, family.columns)
        speaks = speaks_for(family, values)
        fit = {"votes": _fits(means, values, family.numbers), "raters": _fits(means, values)}
        if fit.get(speaks):
            kind: Kind = "votes" if speaks == "votes" else "wide"
            scale = tuple(map(float, family.numbers)) if kind == "votes" else ()
            said = (*said, f"{asked.rating!r} is the mean of the columns {family.shown}")
            return Layout(kind, image, asked.rating, values=family.columns, scale=scale, said=said)
        if speaks == "votes":
            said = (
                *said,
                f"the columns {family.shown} look like votes, but {asked.rating!r} is not their "
                'mean, so they are left aside; say [columns] layout = "votes" to use them',
            )
    return Layout("means", image, asked.rating, said=said)


def _fits(means: np.ndarray, values: np.ndarray, scale: Sequence[float] | None = None) -> bool:
    """Whether ratings are, but for rounding, the means of votes (with a scale) or of raters."""
    if scale is None:
        counted = np.isfinite(values)
        own = np.where(counted, values, 0).sum(1) / np.maximum(counted.sum(1), 1)
        span = np.nanmax(values) - np.nanmin(values)
    else:
        own = values @ np.asarray(scale, dtype=np.float64) / np.maximum(values.sum(1), 1)
        span = max(scale) - min(scale)
    return bool(np.nanmax(np.abs(own - means), initial=0.0) <= _CLOSE * span)


def _votes(
    table: Table, asked: RatingColumns, family: Family | None = None, said: tuple[str, ...] = ()
) -> Layout:
    image, found = (_image(table, asked), ()) if family is None else _image_found(table, asked)
    others = (image, asked.rater, asked.rating)
    columns = tuple(asked.votes) or (family.columns if family else ())
    if not columns:
        held = families(table, others)
        if len(held) != 1:
            raise RequestError(
                f"{table.name}: expected one row of columns with numbers of votes, as c1 to c5, "
                f'got {len(held)}; name them with [columns] votes = ["c1", ...]'
            )
        columns = held[0].columns
    for column in columns:
        table.index(column)
    scale = tuple(asked.scale) or _scale(table, columns)
    if len(scale) != len(columns):
        raise RequestError(
            f"{table.name}: expected a value of the scale for each of the {len(columns)} columns "
            f"of votes, got {len(scale)}; give [columns] scale = [1, 2, ...]"
        )
    rating = asked.rating if asked.rating in table.columns else ""
    if rating and not _fits(
        numbers(table, [rating])[:, 0], np.nan_to_num(numbers(table, columns)), scale
    ):
        said = (*said, f"the column {rating!r} is not the mean of the votes and is left aside")
        rating = ""
    return Layout("votes", image, rating, values=columns, scale=scale, said=(*found, *said))


def _scale(table: Table, columns: Sequence[str]) -> tuple[float, ...]:
    """What votes stand for by the numbers that end the columns' names."""
    own = families(table, [column for column in table.columns if column not in columns])
    if len(own) == 1 and set(own[0].columns) == set(columns):
        by = dict(zip(own[0].columns, own[0].numbers, strict=True))
        return tuple(float(by[column]) for column in columns)
    return ()


def _wide(
    table: Table, asked: RatingColumns, columns: Sequence[str] = (), said: tuple[str, ...] = ()
) -> Layout:
    image, found = _image_found(table, asked)
    named = () if isinstance(asked.raters, str) else tuple(asked.raters)
    columns = named or tuple(columns)
    if not columns:
        held = families(table, (image, asked.rater))
        columns = held[0].columns if len(held) == 1 else numeric_columns(table, (image,))
    for column in columns:
        table.index(column)
    if len(columns) < 2:
        raise RequestError(
            f"{table.name}: expected a column of numbers for each of at least two raters, got "
            f'{or_list(columns) or "none"}; name them with [columns] raters = ["...", ...]'
        )
    return Layout("wide", image, values=tuple(columns), said=tuple(dict.fromkeys((*found, *said))))


def _transposed(table: Table, asked: RatingColumns) -> Layout:
    rater = asked.rater if asked.rater in table.columns else ""
    images = [column for column in table.columns if looks_like_image(column)]
    if not rater and not looks_like_image(table.columns[0]):
        rater = table.columns[0]
    if not images:
        images = numeric_columns(table, (rater,))
    if len(images) < 2:
        raise RequestError(
            f"{table.name}: expected a column for each image, named after it, and one row a rater"
        )
    return Layout("transposed", "", rater=rater, values=tuple(images))


def _image(table: Table, asked: RatingColumns) -> str:
    return _image_found(table, asked)[0]


def _rating(table: Table, asked: RatingColumns) -> str:
    table.index(asked.rating)
    return asked.rating


def _image_found(table: Table, asked: RatingColumns) -> tuple[str, tuple[str, ...]]:
    """The column of the images: the one named, or the only one that can be it."""
    if asked.image in table.columns or asked.image != "image":
        table.index(asked.image)
        return asked.image, ()
    named = [column for column in table.columns if column.lower() in _IMAGES]
    found = named if len(named) == 1 else _holding_images(table)
    if len(found) != 1:
        table.index(asked.image)
    return found[0], (f"the images are in the column {found[0]!r}",)


def _holding_images(table: Table) -> list[str]:
    return [
        column
        for column in table.columns
        if column
        and table.columns.count(column) == 1
        and all(map(looks_like_image, table.cells(column)))
    ]


def looks_like_image(text: str) -> bool:
    """Whether a text ends as names of image files do."""
    return image_name(text).lower().endswith(_ENDINGS)


def _repeated(table: Table, image: str) -> str:
    """That most images have several rows, in words; empty where they have not."""
    rows: dict[str, int] = {}
    for name in table.cells(image):
        rows[name] = rows.get(name, 0) + 1
    repeated = sum(n > 1 for n in rows.values())
    if repeated < _FEWEST_REPEATED or repeated * 2 < len(rows):
        return ""
    return (
        f"{repeated:,} of {len(rows):,} images have several rows and no column names the raters "
        '(another layout is said with [columns] layout = "...")'
    )


def _alike(table: Table, others: Sequence[str]) -> tuple[str, ...]:
    """All other columns, if they can be raters: numbers on one scale, called after nothing else."""
    columns = [c for c in table.columns if c and c not in others]
    held = numeric_columns(table, others)
    if len(held) < 3 or len(held) < len(columns) or any(c.lower() in _ABOUT for c in held):
        return ()
    values = numbers(table, held)
    spans = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    spans = spans[spans > 0]
    return tuple(held) if len(spans) and spans.max() <= _WIDEST_SPAN * spans.min() else ()


def headless(table: Table) -> bool:
    """Whether the first line of a table is no header but its first row."""
    return any(map(looks_like_image, table.columns)) and any(
        plain_number(cell) for cell in table.columns if not is_missing(cell)
    )
