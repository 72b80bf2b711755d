"""Work on images is vouched for only if they are still those that the study has checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aisthesis.errors import AisthesisError
from aisthesis.images import ImageFolder

__all__ = ["refuse_changed"]


def refuse_changed(
    folder: ImageFolder,
    names: Iterable[str],
    digests: Mapping[str, str],
    others: Iterable[str] = (),
) -> None:
    """Refuse to go on where images were changed since they were checked.

    Parameters
    ----------
    folder, names
        The images.
    digests : mapping of str to str
        SHA-256 of each image's bytes when it was checked.
    others
        What else was changed, in words.

    Raises
    ------
    AisthesisError
        With what was changed.
    ImageFault
        If an image cannot be read any more.
    """
    changed = [*others, *(name for name in names if folder.digest(name) != digests[name])]
    if changed:
        many = len(changed) > 1 or changed[0].startswith("weights of ")
        were = "were" if many else "was"
        rest = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise AisthesisError(
            f"{', '.join(changed[:5])}{rest} {were} changed while the study was running; run it "
            "again and what depends on it is computed anew"
        )
