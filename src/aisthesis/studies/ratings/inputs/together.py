"""What the studies of several properties of the same images share: images, split, embeddings."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from aisthesis.config import StudyConfig
from aisthesis.errors import RequestError
from aisthesis.execution.progress import Prefixed, ProgressReporter
from aisthesis.images import ImageFolder
from aisthesis.judgments.ratings.matching import match
from aisthesis.judgments.ratings.reading import Ratings
from aisthesis.judgments.ratings.split_file import ListedSplit, read_split
from aisthesis.store.files import plain_errors, write_csv
from aisthesis.store.folder import StudyFolder
from aisthesis.store.whole import whole_file
from aisthesis.studies.ratings.inputs.reading import (
    Inputs,
    checked_images,
    inputs_of,
    open_images,
    told_ratings,
)

__all__ = ["InputsTogether", "read_together", "share_embeddings"]

_FEWEST_TEST = 2


@dataclass(frozen=True)
class InputsTogether:
    """Images that people rated for several properties.

    Attributes
    ----------
    each : dict
        Inputs of every property's study, all of the same images in the same order.
    listed : ListedSplit
        Those images, and which of them are held out from every fit.
    common : list of str
        Images rated for all properties.
    """

    each: dict[str, Inputs]
    listed: ListedSplit
    common: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Number of images that were rated for each property."""
        return {name: len(one.rated) for name, one in self.each.items()}

    def in_words(self) -> str:
        """How many images were rated for each property, and for all."""
        first, *others = self.counts.items()
        said = f"{first[1]:,} images were rated for {first[0]}"
        said += "".join(f", {n:,} for {name}" for name, n in others)
        every = "both" if len(self.each) == 2 else "all"
        if len(self.common) == len(self.listed.names):
            return f"{said}; they are the same images"
        return f"{said}, {len(self.common):,} of them for {every}: these are compared"

    def write_split(self, file: Path) -> None:
        """Write the images and which of them are held out, unless the file says so already."""
        test = set(self.listed.test)
        split = ["test" if name in test else "train" for name in self.listed.names]
        table = pd.DataFrame({"image": self.listed.names, "split": split})
        if not file.is_file() or file.read_text(encoding="utf-8") != table.to_csv(index=False):
            write_csv(file, table)


def read_together(
    config: StudyConfig, configs: Mapping[str, StudyConfig], reporter: ProgressReporter
) -> InputsTogether:
    """Read the ratings of every property, check every image once, and split.

    Test images are the same for all properties. Which they are depends on the images' names and the
    seed alone, so that the ratings of one property may change without the others' studies.

    Raises
    ------
    RequestError
        With all faults of a table, or of the images, at once.
    """
    folder = open_images(config, reporter)
    ratings: dict[str, Ratings] = {}
    rated: dict[str, set[str]] = {}
    for name, own in configs.items():
        ratings[name] = told_ratings(own, folder, Prefixed(reporter, name))
        matched = match(ratings[name], folder, unrated="ignore")
        rated[name] = {folder.listed_name(image) for image in matched}
    listed = _listed(config, folder, next(iter(ratings.values())), set().union(*rated.values()))
    checked = checked_images(config, folder, listed.names, reporter)
    kept = set(checked.names)
    listed = ListedSplit(tuple(checked.names), tuple(name for name in listed.test if name in kept))
    each = {}
    for name, own in configs.items():
        try:
            each[name] = inputs_of(own, folder, ratings[name], checked, listed.test)
        except RequestError as error:
            raise RequestError(f"{name}: {error}") from None
    shared = set.intersection(*rated.values())
    together = InputsTogether(each, listed, [name for name in listed.names if name in shared])
    reporter.say(together.in_words())
    return together


def _listed(
    config: StudyConfig, folder: ImageFolder, any_ratings: Ratings, rated: set[str]
) -> ListedSplit:
    """All images of the study by name, and which of the rated ones are held out."""
    if config.split is not None:
        given = read_split(config.split, folder)
        names = given.names
        if config.unrated != "explain":
            names = tuple(name for name in names if name in rated)
        kept = set(names)
        return ListedSplit(names, tuple(name for name in given.test if name in kept))
    # What no property has a rating of is an error, left out or explained, as in any study.
    all_rated = replace(any_ratings, mean=pd.DataFrame({"image": sorted(rated)}))
    names = tuple(sorted(match(all_rated, folder, unrated=config.unrated)))
    n_test = max(_FEWEST_TEST, round(config.test * len(rated)))
    drawn = sorted(rated, key=lambda name: _draw(config.seed, name))[:n_test]
    return ListedSplit(names, tuple(sorted(drawn)))


def _draw(seed: int, name: str) -> bytes:
    """A number at random that depends on an image's name and the seed alone."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def share_embeddings(folders: Sequence[StudyFolder]) -> None:
    """Give every study the embeddings that another has made: one pass of each trunk for all.

    Files of embeddings are never changed once they are there, so they are hard links where the file
    system has them, and copies elsewhere.
    """
    made: dict[Path, Path] = {}
    for folder in folders:
        for file in folder.cache.glob("embeddings-*/*.safetensors"):
            made.setdefault(file.relative_to(folder.cache), file)
    for folder in folders:
        for name, file in made.items():
            target = folder.cache / name
            if target.exists():
                continue
            with plain_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                with suppress(OSError):
                    os.link(file, target)
                    continue
                with whole_file(target) as partial:
                    shutil.copyfile(file, partial)
