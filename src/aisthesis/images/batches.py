"""Batches of images, decoded and transformed ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from aisthesis.errors import RequestError
from aisthesis.images.ahead import map_ahead
from aisthesis.images.faults import ImageFault, faults_in_words
from aisthesis.images.folder import ImageFolder
from aisthesis.images.transform import Transform

__all__ = ["ImageBatch", "ImageBatches", "batches"]

_Read = tuple[Tensor, tuple[int, int]]


class ImageBatch(NamedTuple):
    """Images that a network reads together.

    Attributes
    ----------
    names
        N names.
    pixels
        Shape (N, 3, crop_px, crop_px), float32, on the CPU.
    sizes_px
        Width and height of each image as decoded (upright), original pixels.
    """

    names: tuple[str, ...]
    pixels: Tensor
    sizes_px: tuple[tuple[int, int], ...]


@dataclass
class ImageBatches:
    """The images of a folder in batches, in the order given; can be iterated again.

    Decoding runs in a few threads, at most `prefetch` batches early, so memory does not grow with
    the number of images. Which images share a batch depends on `names` alone: a broken image makes
    its own batch smaller and moves no other image.

    Parameters
    ----------
    folder, names
        Where the images are, and which are wanted.
    transform
        The network's.
    batch_size
        Images in a batch; the last one may hold fewer.
    on_fault
        `stop`: at the first broken image no more batches are given, the remaining images are
        checked, and an error names all broken ones. `skip`: they are left out.
    prefetch
        Batches decoded ahead.
    workers
        Threads; by default one a core, four at most.

    Attributes
    ----------
    faults
        Broken images met by the current or latest pass.
    """

    folder: ImageFolder
    names: Sequence[str]
    transform: Transform
    batch_size: int = 8
    on_fault: Literal["stop", "skip"] = "stop"
    prefetch: int = 2
    workers: int | None = None
    faults: list[ImageFault] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise RequestError(
                f"A batch needs at least one image, got batch_size = {self.batch_size}."
            )

    def __len__(self) -> int:
        """Number of batches if no image is broken."""
        return -(-len(self.names) // self.batch_size)

    def __iter__(self) -> Iterator[ImageBatch]:
        self.faults = []
        read = map_ahead(
            partial(_read, self.folder, self.transform),
            self.names,
            ahead=self.batch_size * (1 + self.prefetch),
            workers=self.workers,
        )
        # Closed here, so that a caller who stops early leaves no thread at work.
        with closing(read):
            for start in range(0, len(self.names), self.batch_size):
                names = self.names[start : start + self.batch_size]
                results = [next(read) for _ in names]
                self.faults += [result for result in results if isinstance(result, ImageFault)]
                stopped = self.faults and self.on_fault == "stop"
                batch = None if stopped else _batch(names, results)
                if batch is not None:
                    yield batch
        if self.faults and self.on_fault == "stop":
            raise RequestError(faults_in_words(self.faults, len(self.names)))


def batches(
    folder: ImageFolder,
    names: Sequence[str],
    transform: Transform,
    batch_size: int = 8,
    on_fault: Literal["stop", "skip"] = "stop",
) -> ImageBatches:
    """Give the images of a folder in batches: see `ImageBatches`, which keeps the faults."""
    return ImageBatches(folder, names, transform, batch_size, on_fault)


def _batch(names: Sequence[str], results: Sequence[_Read | ImageFault]) -> ImageBatch | None:
    whole = [
        (name, *result)
        for name, result in zip(names, results, strict=True)
        if not isinstance(result, ImageFault)
    ]
    if not whole:
        return None
    kept, pixels, sizes_px = zip(*whole, strict=True)
    return ImageBatch(kept, torch.stack(pixels), sizes_px)


def _read(folder: ImageFolder, transform: Transform, name: str) -> _Read | ImageFault:
    try:
        image = folder.load(name)
        return transform(image), image.size
    except ImageFault as fault:
        return fault
