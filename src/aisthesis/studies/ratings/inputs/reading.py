"""What a study starts from: readable images, their ratings, and who is held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.config import StudyConfig
from aisthesis.errors import RequestError
from aisthesis.execution.jobs import Chunk, in_chunks
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import CheckedImages, ImageFolder, check_images
from aisthesis.judgments.ratings.matching import match
from aisthesis.judgments.ratings.reading import Ratings, read_ratings
from aisthesis.judgments.ratings.split_file import ListedSplit, read_split
from aisthesis.judgments.ratings.splits import Split, split
from aisthesis.judgments.ratings.understood import lines_on
from aisthesis.store.folder import digest_of

__all__ = [
    "Inputs",
    "checked_images",
    "inputs_of",
    "open_images",
    "ratings_of",
    "read_inputs",
    "told_ratings",
]


@dataclass(frozen=True)
class Inputs:
    """Everything that is read before a network is loaded.

    Attributes
    ----------
    names : list of str
        Readable images in the order of the study's tables, rated ones and, where they are to be
        explained too, unrated ones.
    rating : array, shape (N,)
        Mean human rating of each; NaN where there is none.
    digests : dict
        SHA-256 of every image's bytes.
    sizes : dict
        Width and height of every image, upright, in px.
    splits : list of Split
        One a seed; the test split is the same in all.
    skipped : list of (name, reason)
    held_out : tuple of str, optional
        Test images, where they were named and not drawn; some may have no rating.
    """

    folder: ImageFolder
    ratings: Ratings
    names: list[str]
    rating: NDArray[np.float64]
    digests: dict[str, str]
    sizes: dict[str, tuple[int, int]]
    splits: list[Split]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    held_out: tuple[str, ...] | None = None

    @property
    def rated(self) -> NDArray[np.intp]:
        """Indices of the images that have a rating."""
        return np.flatnonzero(np.isfinite(self.rating))

    def indices(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Indices of some names into `names`, ascending."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array(sorted(place[name] for name in names), dtype=np.intp)

    @property
    def digest(self) -> str:
        """Digest of images and ratings: changes when either does."""
        return digest_of([(name, self.digests[name]) for name in self.names], self.rating.tolist())

    @cached_property
    def dependencies(self) -> dict[str, str]:
        """Digests of the images and of the ratings, each on its own."""
        return {
            "images": digest_of([(name, self.digests[name]) for name in self.names]),
            "ratings": digest_of(self.rating.tolist()),
        }

    @property
    def errors(self) -> dict[str, NDArray[np.float64]]:
        """`rating_se`, the standard error of each rating, where choices give it; else nothing."""
        mean = self.ratings.mean
        if "se" not in mean:
            return {}
        by_name = dict(zip(mean["image"], mean["se"], strict=True))
        return {"rating_se": np.array([by_name.get(name, np.nan) for name in self.names])}

    def chunks(self, index: NDArray[np.intp], size: int) -> list[Chunk]:
        """Cut images, given by their indices, into chunks of so many."""
        names = [self.names[i] for i in index]
        return in_chunks(names, self.digests, size, self.rating[index].tolist())


def ratings_of(config: StudyConfig, folder: ImageFolder) -> Ratings:
    """Read a study's ratings, under the names that their images have in its folder."""
    return read_ratings(
        config.ratings_files,
        **config.columns.model_dump(),
        image_list=config.image_list,
        folder=folder,
    )


def read_inputs(config: StudyConfig, reporter: ProgressReporter) -> Inputs:
    """Read the ratings, check every image, and split.

    Raises
    ------
    RequestError
        With all faults of the table, or of the images, at once.
    """
    folder = open_images(config, reporter)
    ratings = told_ratings(config, folder, reporter)
    if config.split is None:
        checked = checked_images(
            config, folder, match(ratings, folder, unrated=config.unrated), reporter
        )
        return inputs_of(config, folder, ratings, checked)
    listed = read_split(config.split, folder)
    names = _listed_images(config, folder, ratings, listed, reporter)
    checked = checked_images(config, folder, names, reporter)
    return inputs_of(config, folder, ratings, checked, listed.test)


def open_images(config: StudyConfig, reporter: ProgressReporter) -> ImageFolder:
    """Open a study's folder of images and tell which of its files are left out."""
    folder = ImageFolder(config.images)
    if folder.left_out:
        reporter.warn(folder.words_on_left_out())
    return folder


def told_ratings(config: StudyConfig, folder: ImageFolder, reporter: ProgressReporter) -> Ratings:
    """Read a study's ratings and tell how they were understood."""
    ratings = ratings_of(config, folder)
    for line in lines_on(ratings):
        reporter.say(f"ratings: {line}")
    for line in ratings.cautions:
        reporter.warn(line)
    return ratings


def checked_images(
    config: StudyConfig, folder: ImageFolder, names: Sequence[str], reporter: ProgressReporter
) -> CheckedImages:
    """Decode every image and tell which are left out as broken."""
    with reporter.steps("checking images", len(names)) as advance:
        checked = check_images(folder, names, on_fault=config.on_error, advance=advance)
    for fault in checked.faults:
        reporter.warn(f"skipped {fault.name}: {fault.reason}")
    return checked


def inputs_of(
    config: StudyConfig,
    folder: ImageFolder,
    ratings: Ratings,
    checked: CheckedImages,
    test_images: Sequence[str] | None = None,
) -> Inputs:
    """Put ratings and checked images together, and split.

    Parameters
    ----------
    test_images
        Names of the images that are held out, where they are not to be drawn.
    """
    names = checked.names
    rating = _rating_of(names, ratings.mean, folder, as_listed=test_images is not None)
    rated = np.isfinite(rating)
    held_out = None if test_images is None else _among(names, test_images)
    splits = [
        split(
            [name for name, has in zip(names, rated, strict=True) if has],
            rating[rated],
            test=config.test,
            validation=config.validation,
            seed=config.seed,
            fit_seed=config.seed + number,
            test_images=held_out,
        )
        for number in range(config.seeds)
    ]
    skipped = [(fault.name, fault.reason) for fault in checked.faults]
    return Inputs(
        folder, ratings, names, rating, checked.digests, checked.sizes_px, splits, skipped, held_out
    )


def _rating_of(
    names: Sequence[str], mean: pd.DataFrame, folder: ImageFolder, *, as_listed: bool
) -> NDArray[np.float64]:
    """Mean rating of each image; NaN where there is none.

    With `as_listed`, names are those of the files, whatever the table calls them.
    """
    image = mean["image"].map(folder.listed_name) if as_listed else mean["image"]
    by_name = dict(zip(image, mean["rating"], strict=True))
    return np.array([by_name.get(name, np.nan) for name in names], dtype=np.float64)


def _among(names: Sequence[str], some: Sequence[str]) -> tuple[str, ...]:
    """Those of some images that are among others, in their order."""
    held = set(names)
    return tuple(name for name in some if name in held)


def _listed_images(
    config: StudyConfig,
    folder: ImageFolder,
    ratings: Ratings,
    listed: ListedSplit,
    reporter: ProgressReporter,
) -> list[str]:
    """Images that a split lists: rated ones and, where they are to be explained too, others."""
    rated = {folder.listed_name(name) for name in match(ratings, folder, unrated="ignore")}
    names = list(listed.names)
    if left_out := len(rated - set(names)):
        reporter.say(f"{left_out} of {len(rated)} rated images are not in {config.split}: left out")
    unrated = [name for name in names if name not in rated]
    if unrated and config.unrated == "error":
        raise RequestError(
            f"{len(unrated)} of {len(names)} images in {config.split} have no rating "
            f"({unrated[0]}{', ...' if len(unrated) > 1 else ''}); rate them, or set "
            'unrated = "ignore" to leave them out or unrated = "explain" to predict and explain '
            "them too"
        )
    return names if config.unrated == "explain" else [name for name in names if name in rated]
