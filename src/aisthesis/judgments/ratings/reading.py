"""Human ratings of images, from a table to numbers that can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from aisthesis.config import RatingColumns, checked
from aisthesis.errors import RequestError
from aisthesis.judgments.files.faults import Faults
from aisthesis.judgments.files.folder import Folder
from aisthesis.judgments.files.image_list import read_image_list
from aisthesis.judgments.files.names import renamed
from aisthesis.judgments.files.table import Table
from aisthesis.judgments.files.table_files import ENDINGS, read_any_table
from aisthesis.judgments.files.table_rows import Wanted, selected, words_on
from aisthesis.judgments.ratings.averages import means_of, retests_of, single_means
from aisthesis.judgments.ratings.choices import read_choices
from aisthesis.judgments.ratings.entries import Entry, note_repeated, read_entries, same_characters
from aisthesis.judgments.ratings.layout import Kind, Layout, headless, layout_of
from aisthesis.judgments.ratings.noise_ceiling import (
    NoiseCeiling,
    noise_ceiling,
    noise_ceiling_of_votes,
)
from aisthesis.judgments.ratings.pairwise import Choice, scaled
from aisthesis.judgments.ratings.votes import read_votes

__all__ = ["Ratings", "read_ratings"]

_LEAST_SPREAD = 1e-15
_FEWEST_RETESTS = 3


@dataclass(frozen=True)
class Ratings:
    """Human ratings of images.

    Attributes
    ----------
    mean
        One row an image, in the order of the table: `image`; `rating`, the mean over raters, on
        the table's own scale; `sd`, the sample SD over raters (NaN where fewer than two raters);
        `n_raters` (missing where single raters are not known). For choices between images also
        `se`, the standard error, and `n_choices`.
    single
        Where single raters are known: one row a rating: `image`, `rater`, `rating`.
    noise_ceiling
        Where single raters or votes are known: how well any prediction can agree with these
        ratings.
    layout
        How the table was read.
    said
        What was found out about the table, in words.
    cautions
        What its owner must not miss.
    n_left_out
        Empty answers of single raters.
    retests
        Where raters rated images again: `rater, n_images, n_ratings, reliability`.
    """

    mean: pd.DataFrame
    single: pd.DataFrame | None = None
    noise_ceiling: NoiseCeiling | None = None
    layout: Kind = "means"
    said: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    n_left_out: int = 0
    retests: pd.DataFrame | None = None


def read_ratings(
    path: Path | str | Iterable[Path | str],
    *,
    image: str = "image",
    rating: str = "rating",
    rater: str = "rater",
    layout: Literal["auto"] | Kind = "auto",
    raters: Literal["anonymous"] | Sequence[str] = (),
    votes: Sequence[str] = (),
    scale: Sequence[float] = (),
    names: Sequence[str] = (),
    where: Mapping[str, Wanted | Sequence[Wanted]] | None = None,
    retests: Literal["auto", "mean"] = "auto",
    match: Literal["auto", "exact"] = "auto",
    winner: str = "winner",
    loser: str = "loser",
    image_a: str = "image_a",
    image_b: str = "image_b",
    choice: str = "choice",
    votes_a: str = "votes_a",
    votes_b: str = "votes_b",
    reader: Any = "",
    image_list: Path | None = None,
    folder: Folder | None = None,
    seed: int = 0,
) -> Ratings:
    """Read ratings of images, however they are laid out.

    With a column of raters the table is in long format, one row an image and rater, and single
    raters, SDs and the noise ceiling are known; with a column of ratings only, there is one row an
    image. Other layouts are found out, and said in `Ratings.said`, or named.

    Parameters
    ----------
    path
        Text in UTF-8 (or UTF-16 with a byte order mark), a workbook, SPSS, Parquet or MATLAB file.
        Several, or a folder of them: one a rater, or, where they have no image in common or name
        their raters, parts of one table.
    image, rating, rater
        Names of the columns. Image names are relative to the image folder.
    layout
        `means`: one row an image. `ratings`: one row an image and rater. `anonymous`: one row a
        rating, all by different raters. `wide`: a column a rater. `transposed`: a row a rater, a
        column an image. `votes`: a column of votes for each point of the scale. `choices`: a row a
        choice between two images.
    raters
        Columns of single raters, or `anonymous`.
    votes, scale
        Columns of numbers of votes, and what a vote in each stands for (default: the numbers that
        end the columns' names).
    names
        Names of the columns by position, where the file has no header.
    where
        Values by column: only rows that hold them are read.
    retests
        `mean` averages ratings that one rater gave one image; `auto` does so from three such pairs
        on, and takes fewer for a mistake.
    match
        `exact` takes image names as they are; `auto` finds the file meant where only one can be.
    winner, loser, image_a, image_b, choice, votes_a, votes_b
        Names of the columns of choices between two images: the winner and the loser; or the two
        images and the chosen one, or its numbers of votes. They are scaled by Bradley-Terry.
    reader
        Of the user's own: a function of a file's path that gives a table, or its name,
        `package.module:attribute`.
    image_list
        File with the images' names, in the order of an array's values.
    folder
        Where the images are, for `match`.
    seed
        Of the noise ceiling's random halves.

    Raises
    ------
    RequestError
        With all faults of a table in one message, by kind and with line numbers of the file
        (the header is line 1): text or decimal commas instead of a number, missing and infinite
        ratings, empty names, rows of the wrong length, an image (or an image and rater) twice,
        ratings that are all the same; or what is wrong with the file as a whole.
    """
    keys = {
        "image": image, "rating": rating, "rater": rater, "layout": layout, "votes": tuple(votes),
        "raters": raters if isinstance(raters, str) else tuple(raters), "scale": tuple(scale),
        "names": tuple(names), "where": where or {}, "retests": retests, "match": match,
        "winner": winner, "loser": loser, "image_a": image_a, "image_b": image_b,
        "choice": choice, "votes_a": votes_a, "votes_b": votes_b, "reader": reader,
    }  # fmt: skip
    asked = checked(RatingColumns, keys, "read_ratings")
    listed = None if image_list is None else read_image_list(Path(image_list))
    paths = _paths(path, any_ending=bool(reader))
    ratings = _together([_Read.of(one, asked, listed) for one in paths], asked, seed)
    if folder is not None and match == "auto":
        ratings = _with_names_of(folder, ratings)
    _refuse_constant(", ".join(one.name for one in paths[:3]), ratings.mean["rating"])
    return ratings


def _paths(path: Path | str | Iterable[Path | str], *, any_ending: bool) -> list[Path]:
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    if len(paths) == 1 and paths[0].is_dir():
        held = sorted(
            one
            for one in paths[0].iterdir()
            if (any_ending or one.suffix.lower() in ENDINGS) and not one.name.startswith(".")
        )
        return held or paths
    if not paths:
        raise RequestError("expected the file with the ratings, got no file")
    return paths


@dataclass(frozen=True)
class _Read:
    """One file: single ratings, or a table of votes."""

    path: Path
    layout: Layout
    said: list[str]
    entries: list[Entry]
    n_left_out: int = 0
    votes: pd.DataFrame | None = None
    choices: Sequence[Choice] = ()
    n_rows: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, path: Path, asked: RatingColumns, images: Sequence[str] | None) -> _Read:
        wanted = (asked.image, asked.rating, asked.rater, *asked.votes, asked.winner, asked.image_a)
        table = read_any_table(
            path,
            wanted,
            names=asked.names,
            variable=asked.rating,
            images=images,
            reader=asked.reader,
        )
        table, said = _with_header(table, path, asked)
        n_all = len(table.rows)
        table, left_out = selected(table, asked.where)
        layout = layout_of(table, asked)
        faults = Faults(table.name, len(table.rows))
        said, n_rows = [*said, *left_out, *layout.said], (len(table.rows), n_all)
        if layout.kind == "votes":
            return cls(
                path, layout, said, [], votes=read_votes(table, layout, faults), n_rows=n_rows
            )
        if layout.kind == "choices":
            choices, n_left_out = read_choices(table, layout, faults)
            faults.refuse_any()
            return cls(path, layout, said, [], n_left_out, choices=choices, n_rows=n_rows)
        entries, n_left_out = read_entries(table, layout, faults)
        if layout.kind == "means" or not _enough_retests(entries, asked):
            named = [entry for entry in entries if entry.image]
            note_repeated(named, layout.kind != "means", faults)
        faults.refuse_any()
        if not entries:
            raise RequestError(f"{table.name}: all {n_left_out} ratings are missing")
        return cls(path, layout, said, entries, n_left_out, n_rows=n_rows)


def _with_header(table: Table, path: Path, asked: RatingColumns) -> tuple[Table, list[str]]:
    """A table whose first line is a row is read again, if its columns can be told."""
    if table.headless or asked.image in table.columns or not headless(table):
        return table, []
    if len(table.columns) != 2:
        raise RequestError(
            f"{path.name}: the first line is no header, but a row of {len(table.columns)} values; "
            'name the columns by position: columns = ["image", "rating", ...] in the study file'
        )
    names = ["rating", "image"]
    if headless(replace(table, columns=(table.columns[0], "0"))):
        names = ["image", "rating"]
    names = [{"image": asked.image, "rating": asked.rating}[name] for name in names]
    again = read_any_table(path, (), names=names)
    return again, [f"without a header, the columns are taken as {names[0]} and {names[1]}"]


def _enough_retests(entries: Sequence[Entry], asked: RatingColumns) -> bool:
    """Whether ratings that one rater gave one image are meant, and no mistake."""
    if asked.retests == "mean":
        return True
    seen = [(same_characters(entry.image), entry.rater) for entry in entries]
    counts = pd.Series(seen, dtype=object).value_counts()
    return int((counts > 1).sum()) >= _FEWEST_RETESTS


def _together(read: Sequence[_Read], asked: RatingColumns, seed: int) -> Ratings:
    """One table of all files."""
    first, said = read[0], list(dict.fromkeys(line for one in read for line in one.said))
    if asked.where:
        kept, of = np.array([one.n_rows for one in read]).sum(0).tolist()
        said.insert(0, words_on(asked.where, kept, of))
    facts: dict[str, Any] = {
        "said": tuple(said),
        "cautions": tuple(dict.fromkeys(line for one in read for line in one.layout.cautions)),
        "n_left_out": sum(one.n_left_out for one in read),
    }
    kinds = {one.layout.kind for one in read}
    if len(kinds) > 1:
        raise RequestError(
            f"expected files of one layout, got {' and '.join(sorted(kinds))}; "
            f"{first.path.name} is read as {first.layout.kind}: name one with [columns] layout"
        )
    if first.layout.kind == "votes":
        mean = _votes_together(read)
        return Ratings(mean, None, _ceiling_of(mean, seed), "votes", **facts)
    if first.layout.kind == "choices":
        return _choices_together(read, facts, seed)
    entries, kind = _entries_together(read, asked, facts)
    if kind == "means":
        return Ratings(means_of(entries), layout=kind, **facts)
    mean, single = single_means(entries)
    again = retests_of(entries)
    ceiling = noise_ceiling(single, seed=seed)
    return Ratings(mean, single, ceiling, kind, retests=None if again.empty else again, **facts)


def _votes_together(read: Sequence[_Read]) -> pd.DataFrame:
    mean = pd.concat([one.votes for one in read], ignore_index=True)
    twice = mean.loc[mean["image"].map(same_characters).duplicated(), "image"]
    if len(twice):
        raise RequestError(f"{twice.iloc[0]} has votes in several files; give each image one row")
    return mean


def _choices_together(read: Sequence[_Read], facts: dict[str, Any], seed: int) -> Ratings:
    """Choices of all files; files that name no raters are one each, named after it."""
    named = len(read) == 1 or any(one.layout.rater for one in read)
    choices = [
        choice if named else replace(choice, rater=one.path.stem)
        for one in read
        for choice in one.choices
    ]
    if not choices:
        raise RequestError(f"{read[0].path.name}: all choices are missing")
    found = scaled(choices, read[0].path.name, seed=seed)
    facts["said"] = (*facts["said"], *found.said)
    return Ratings(found.mean, None, found.noise_ceiling, "choices", **facts)


def _ceiling_of(mean: pd.DataFrame, seed: int) -> NoiseCeiling | None:
    if mean["n_raters"].isna().any():
        return None
    variance = np.nan_to_num(mean["sd"].to_numpy(dtype=np.float64)) ** 2
    votes = mean["n_raters"].to_numpy(dtype=np.float64)
    means = mean["rating"].to_numpy(dtype=np.float64)
    return noise_ceiling_of_votes(means, variance, votes, seed=seed)


def _entries_together(
    read: Sequence[_Read], asked: RatingColumns, facts: dict[str, Any]
) -> tuple[list[Entry], Kind]:
    """Single ratings of all files; files without raters are one a rater, or parts of a table."""
    kind = read[0].layout.kind
    entries = [entry for one in read for entry in one.entries]
    if len(read) == 1 or kind != "means":
        return entries, kind
    counts = pd.Series([same_characters(entry.image) for entry in entries]).value_counts()
    shared = int((counts > 1).sum())
    if shared == 0 or asked.layout == "means":
        if shared:
            raise RequestError(
                f"{shared} images are in several files; give each one row, or leave "
                '[columns] layout = "means" out to take each file for a rater'
            )
        facts["said"] = (*facts["said"], f"{len(read)} files, parts of one table")
        return entries, "means"
    if shared * 2 < len(counts):
        raise RequestError(
            f"{shared} of {len(counts)} images are in several of the {len(read)} files, the others "
            "in one, so it cannot be told whether a file is a rater or a part of a table; add a "
            f"column {asked.rater!r} to the files, or remove the repeated rows"
        )
    facts["said"] = (*facts["said"], f"{len(read)} files, each taken for a rater named after it")
    return [replace(entry, rater=one.path.stem) for one in read for entry in one.entries], "ratings"


def _with_names_of(folder: Folder, ratings: Ratings) -> Ratings:
    """Ratings under the names of the files that their images' names mean."""
    found = renamed(ratings.mean["image"], folder)
    if not found.names:
        return ratings
    single = ratings.single
    if single is not None:
        single = single.assign(image=single["image"].map(found))
    mean = ratings.mean.assign(image=ratings.mean["image"].map(found))
    return replace(ratings, mean=mean, single=single, said=(*ratings.said, *found.said))


def _refuse_constant(table: str, ratings: pd.Series[float]) -> None:
    # Means of equal ratings may differ in their last digit.
    spread, size = ratings.max() - ratings.min(), ratings.abs().max()
    if len(ratings) > 1 and spread <= 1e-12 * size:
        raise RequestError(
            f"{table}: all {len(ratings)} images have the same mean rating ({ratings.iloc[0]:g}), "
            "so there is nothing to predict; ratings that differ between images are needed."
        )
    if len(ratings) > 1 and spread < _LEAST_SPREAD:
        raise RequestError(
            f"{table}: the mean ratings differ by {spread:g} at most, below {_LEAST_SPREAD:g}, too "
            "little for maps in rating units; multiply the ratings by a large number."
        )
