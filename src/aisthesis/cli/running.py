"""How far a run is that is at work, read in its folder without a library that takes seconds."""

from __future__ import annotations

from pathlib import Path

from aisthesis.cli.open import holds_similarities
from aisthesis.cli.standing import Standing
from aisthesis.store.permitted import folder_of

__all__ = ["standing_of_run"]


def standing_of_run(place: Path, *, follow_links: bool) -> Standing | None:
    """Give the status of a study of ratings for one property that is being run at the moment.

    Parameters
    ----------
    place : Path
        The study's folder or file.
    follow_links : bool
        Whether links in the folder are the user's own.

    Returns
    -------
    Standing or None
        None where nobody is at work, and for other studies, which are opened for it.

    Raises
    ------
    AisthesisError
        If there is no study, or its folder holds what it should not.
    """
    own = place if place.is_dir() else folder_of(place)
    if own is not None and not (own / ".lock.json").exists():
        return None
    if holds_similarities(place, follow_links):
        return None
    from aisthesis.config import StudyConfig
    from aisthesis.store.folder import StudyFolder
    from aisthesis.store.lock import at_work
    from aisthesis.studies.ratings.running import running_rows
    from aisthesis.studies.shared.rows import STATUS_COLUMNS

    held = None if own is None else StudyFolder(own, follow_links=follow_links).config()
    config = held if isinstance(held, StudyConfig) else StudyConfig.read(place)
    folder = StudyFolder(config.out, follow_links=follow_links)
    who = "" if config.properties else at_work(folder.root)
    if not who:
        return None
    folder.inspect()
    return Standing(STATUS_COLUMNS, running_rows(folder, config, who))
