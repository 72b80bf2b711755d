"""Do the ratings and the image folder speak of the same images?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aisthesis.errors import RequestError
from aisthesis.judgments.files.folder import Folder
from aisthesis.judgments.ratings.reading import Ratings

__all__ = ["match"]

_LISTED = 10


def match(
    ratings: Ratings,
    folder: Folder,
    *,
    unrated: Literal["error", "ignore", "explain"] = "error",
) -> list[str]:
    """Return the images of a study: the rated ones and, if they are to be explained, the others.

    Parameters
    ----------
    ratings
        Their image names are relative to the folder.
    folder
        The image folder.
    unrated
        What to do with images of the folder that have no rating: refuse, leave out, or append
        (sorted) to be predicted and explained.

    Returns
    -------
    list of str
        Rated images in the order of the table, in the table's spelling; then unrated ones.

    Raises
    ------
    RequestError
        With every rated image that cannot be found (and the name it may have been meant to be)
        and, under `error`, every image without a rating, in one message.
    """
    # The folder's own where they are the same: each name of a long table is held once.
    listed = ((name, folder.listed_name(name)) for name in ratings.mean["image"])
    rated = [own if own == name else name for name, own in listed]
    reasons = [(name, folder.why_not(name)) for name in rated]
    faults = []
    missing = [f"{name} {reason}" for name, reason in reasons if reason is not None]
    if missing:
        faults.append(
            f"{len(missing)} of {len(rated)} rated images cannot be found: {_listed(missing, '; ')}"
        )
    have_rating = {folder.listed_name(name) for name in rated}
    others = [name for name in folder.names if name not in have_rating]
    if others and unrated == "error":
        faults.append(
            f"{len(others)} of {len(folder.names)} images in {folder.root} have no rating: "
            f'{_listed(others, ", ")}; rate them, or set unrated = "ignore" to leave them out '
            'or unrated = "explain" to predict and explain them too'
        )
    if faults:
        raise RequestError(f"{'. '.join(faults)}.")
    return rated + others if unrated == "explain" else rated


def _listed(items: Sequence[str], between: str) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return between.join(items[:_LISTED]) + more
