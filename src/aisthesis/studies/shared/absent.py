"""A study whose images or tables are elsewhere by now: what is missing, and what still stands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aisthesis.errors import AisthesisError
from aisthesis.images import ImageFolder
from aisthesis.store.folder import StudyFolder
from aisthesis.store.ledger import State
from aisthesis.store.tables import read_csv
from aisthesis.studies.shared.rows import Row

__all__ = ["absent_inputs", "status_without_inputs"]


def absent_inputs(images: Path, files: Iterable[Path], table: Path) -> str:
    """Say which of a study's images and files are not there; empty where none is missing.

    Parameters
    ----------
    images : Path
        Folder of the images.
    files : iterable of Path
        Ratings, or judgments.
    table : Path
        A table of the study, whose column `image` names the images that it was made of.
    """
    said = [f"there is no {path}" for path in files if not path.exists()]
    if not images.is_dir():
        return "; ".join([f"there is no image folder {images}", *said])
    folder, held = ImageFolder(images), _named(table)
    if not folder.names:
        said.insert(0, f"the image folder {images} holds no images")
    elif gone := [name for name in held if name not in folder]:
        n, all_of = len(gone), len(held)
        said.insert(0, f"{n} of the study's {all_of} images are not in {images} ({gone[0]}, ...)")
    return "; ".join(said)


def _named(table: Path) -> list[str]:
    """Images that a table names; none where it is not there, or damaged."""
    try:
        return list(dict.fromkeys(read_csv(table)["image"].astype(str)))
    except (AisthesisError, OSError, ValueError, LookupError):
        return []


def status_without_inputs(folder: StudyFolder, why: str) -> list[Row]:
    """Rows of a status: that inputs are absent, and whether what is done is still whole."""
    rows = [("images", "inputs", "absent", 0, 1, why)]
    states: dict[tuple[str, str], list[State]] = {}
    for entry in folder.ledger.all_names():
        stage, _, of = entry.partition("/")
        state = folder.ledger.state(entry, folder.ledger.dependencies(entry))
        states.setdefault((stage, of.split("/")[0] or "all"), []).append(state)
    for (stage, of), found in states.items():
        worst = next((state for state in found if not state.done), found[0])
        done = sum(state.done for state in found)
        rows.append((stage, of, worst.kind, done, len(found), worst.why))
    return rows
