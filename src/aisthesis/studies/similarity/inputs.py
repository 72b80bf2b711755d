"""What an alignment study starts from: readable images and the judgments of their pairs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisthesis.config import AlignmentConfig
from aisthesis.errors import RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import ImageFolder, check_images
from aisthesis.judgments.ratings.understood import lines_on_similarities
from aisthesis.judgments.similarity.judgments import Similarities, read_similarities
from aisthesis.judgments.similarity.triplet_shares import Choices, choices_among
from aisthesis.store.files import plain_errors
from aisthesis.store.folder import digest_of
from aisthesis.store.whole import whole_file

__all__ = [
    "AlignmentInputs",
    "judgments_of",
    "read_alignment_inputs",
    "write_judgments",
]

_FEWEST = 4


@dataclass(frozen=True)
class AlignmentInputs:
    """Everything that is read before a network is loaded.

    Attributes
    ----------
    similarities : Similarities
        Of the readable images, in the order of `names`.
    names : list of N str
        Judged images that can be read.
    digests : dict
        SHA-256 of every image's bytes.
    sizes : dict
        Width and height of every image, upright, in px.
    n_unjudged_images : int
        Images of the folder that nobody judged; they are left out.
    skipped : list of (name, reason)
    """

    folder: ImageFolder
    similarities: Similarities
    names: list[str]
    digests: dict[str, str]
    sizes: dict[str, tuple[int, int]]
    n_unjudged_images: int
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def human(self) -> NDArray[np.float64]:
        """Mean dissimilarity over subjects, (N, N); NaN where nobody judged a pair."""
        return self.similarities.mean

    @cached_property
    def choices(self) -> Choices | None:
        """Choices among three of these images; None where something else was judged."""
        triplets = self.similarities.triplets
        return choices_among(triplets, self.names) if triplets else None

    @property
    def digest(self) -> str:
        """Digest of images and judgments: changes when either does."""
        judged = np.ascontiguousarray(self.similarities.dissimilarity)
        weights, judged_by = self.similarities.weights, self.similarities.triplets
        counts = [] if weights is None else [hashlib.sha256(weights.tobytes()).hexdigest()]
        return digest_of(
            [(name, self.digests[name]) for name in self.names],
            self.similarities.subjects,
            hashlib.sha256(np.nan_to_num(judged, nan=-1.0).tobytes()).hexdigest(),
            *counts,
            *([digest_of([str(one) for one in judged_by])] if judged_by else []),
        )

    @property
    def images_digest(self) -> str:
        """Digest of the images alone."""
        return digest_of([(name, self.digests[name]) for name in self.names])


def judgments_of(config: AlignmentConfig, folder: ImageFolder, given: Any = None) -> Similarities:
    """Read a study's judgments, under the names that their images have in its folder.

    Parameters
    ----------
    given : rsatoolbox RDMs, optional
        Judgments that are in memory, instead of those that the configuration names.
    """
    source = config.judgments[0] if len(config.judgments) == 1 else config.judgments
    return read_similarities(
        source if given is None else given,
        folder=folder,
        kind=None if config.kind == "auto" else config.kind,
        image_list=config.image_list,
        variable=config.variable,
        columns=config.columns,
    )


def write_judgments(file: Path, judged: Similarities) -> None:
    """Write judgments as an `.npz` that can be read as a study's."""
    with plain_errors(file), whole_file(file) as partial:
        np.savez(
            partial,
            dissimilarity=judged.dissimilarity,
            images=np.array(judged.names),
            subjects=np.array(judged.subjects),
        )


def read_alignment_inputs(
    config: AlignmentConfig, reporter: ProgressReporter, given: Any = None
) -> AlignmentInputs:
    """Read the judgments and check every judged image.

    Parameters
    ----------
    config : AlignmentConfig
    reporter : ProgressReporter
    given : rsatoolbox RDMs, optional
        Judgments that are in memory, instead of those that the configuration names.

    Raises
    ------
    RequestError
        With the fault of the judgments, or all faults of the images at once.
    """
    folder = ImageFolder(config.images)
    if folder.left_out:
        reporter.warn(folder.words_on_left_out())
    judged = judgments_of(config, folder, given)
    with reporter.steps("checking images", len(judged.names)) as advance:
        checked = check_images(folder, judged.names, on_fault=config.on_error, advance=advance)
    skipped = [(fault.name, fault.reason) for fault in checked.faults]
    for name, reason in skipped:
        reporter.warn(f"skipped {name}: {reason}")
    if len(checked.names) < _FEWEST:
        raise RequestError(f"expected at least {_FEWEST} readable images, got {len(checked.names)}")
    similarities = judged.of(checked.names)
    _require_pairs(similarities)
    listed = {folder.listed_name(name) for name in judged.names}
    others = sum(name not in listed for name in folder.names)
    _tell(reporter, similarities, others)
    return AlignmentInputs(
        folder, similarities, checked.names, checked.digests, checked.sizes_px, others, skipped
    )


def _require_pairs(similarities: Similarities) -> None:
    counts = np.isfinite(similarities.mean).sum(1) - 1
    alone = [name for name, n in zip(similarities.names, counts, strict=True) if n == 0]
    if alone:
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        raise RequestError(
            f"no pair of {', '.join(alone[:5])}{more} was judged; leave out images without "
            "judgments"
        )


def _tell(reporter: ProgressReporter, similarities: Similarities, others: int) -> None:
    for line in lines_on_similarities(similarities):
        reporter.say(line)
    if others:
        reporter.say(f"{others} images of the folder were not judged and are left out")
