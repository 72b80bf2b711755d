"""What is wrong with an image file, in words that its owner understands."""

from __future__ import annotations

from collections.abc import Sequence

from aisthesis.errors import RequestError, one_line

__all__ = ["ImageFault", "faults_in_words"]

_LISTED = 10


class ImageFault(RequestError):  # noqa: N818 - a fault is found in a file, and may be skipped
    """One image cannot be used.

    Parameters
    ----------
    name
        The image as the user names it.
    reason
        A verb phrase that follows the name: "is empty (0 bytes)".
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        # Both go into tables and reports too, so both are text that can be written there.
        self.name = one_line(name)
        self.reason = one_line(reason)

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


def faults_in_words(faults: Sequence[ImageFault], n_images: int) -> str:
    """Put the faults of many images into one message: the first ten by name, the rest counted."""
    listed = "; ".join(str(fault) for fault in faults[:_LISTED])
    if len(faults) > _LISTED:
        listed += f"; and {len(faults) - _LISTED} more"
    verb = "image cannot" if n_images == 1 else "images cannot"
    return (
        f"{len(faults)} of {n_images} {verb} be used: {listed}. Repair or remove what is broken, "
        'or set on_error = "skip" to leave it out and have it listed in the report.'
    )
