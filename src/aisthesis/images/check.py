"""Are all images of a study there and whole? Asked once, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from aisthesis.errors import RequestError
from aisthesis.images.ahead import map_ahead
from aisthesis.images.faults import ImageFault, faults_in_words
from aisthesis.images.folder import ImageFolder

__all__ = ["CheckedImages", "check_images"]

_AHEAD = 16


@dataclass(frozen=True)
class CheckedImages:
    """Which images can be used.

    Attributes
    ----------
    names
        Images that decode wholly, in the order asked for.
    digests
        SHA-256 of each one's bytes, hexadecimal.
    sizes_px
        Width and height of each, upright.
    faults
        What is wrong with the others.
    """

    names: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    sizes_px: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[ImageFault] = field(default_factory=list)


def check_images(
    folder: ImageFolder,
    names: Sequence[str],
    *,
    on_fault: Literal["stop", "skip"] = "stop",
    advance: Callable[[int], None] = lambda n: None,
) -> CheckedImages:
    """Decode every image wholly (only that finds a truncated one) and keep what is needed of it.

    Parameters
    ----------
    names
        Images of the folder.
    on_fault
        `stop`: broken images are an error that names them all. `skip`: they are returned as
        faults, and an error only if no image is left.
    advance
        Told how many images were just done.

    Raises
    ------
    RequestError
        With all faults in one message: the first ten by name, the rest counted.
    """
    checked = CheckedImages()
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    results = map_ahead(partial(_digest_and_size, folder), names, ahead=_AHEAD)
    for name, result in zip(names, results, strict=True):
        if isinstance(result, ImageFault):
            checked.faults.append(result)
        else:
            checked.names.append(name)
            checked.digests[name], size = result
            checked.sizes_px[name] = sizes.setdefault(size, size)  # most have one of a few
        advance(1)
    if checked.faults and (on_fault == "stop" or not checked.names):
        raise RequestError(faults_in_words(checked.faults, len(names)))
    return checked


def _digest_and_size(folder: ImageFolder, name: str) -> tuple[str, tuple[int, int]] | ImageFault:
    try:
        return folder.digest(name), folder.load(name).size
    except ImageFault as fault:
        return fault
