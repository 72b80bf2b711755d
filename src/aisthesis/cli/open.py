"""Open a study of either kind by its folder or its file, for the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aisthesis.cli.standing import remember

if TYPE_CHECKING:
    from aisthesis.studies.ratings.study import Study
    from aisthesis.studies.similarity.study import Alignment

__all__ = ["holds_similarities", "open_any", "open_study", "report_of"]


def open_study(path: Path, *, follow_links: bool = False, verbose: bool = False) -> Study:
    """Open a study of ratings by its folder or its file."""
    from aisthesis import Study
    from aisthesis.execution.progress import Terminal

    reporter = Terminal(verbose=verbose)
    if path.is_file():
        return Study.from_toml(path, reporter=reporter, follow_links=follow_links)
    return Study.open(path, reporter=reporter, follow_links=follow_links)


def holds_similarities(path: Path, follow_links: bool) -> bool:
    """Whether a study file or folder is one of similarity judgments."""
    from aisthesis.config import read_toml
    from aisthesis.store.folder import StudyFolder

    if path.is_dir():
        return "judgments" in StudyFolder(path, follow_links=follow_links).study_keys()
    return "judgments" in read_toml(path)


def open_any(path: Path, *, follow_links: bool = False, verbose: bool = False) -> Study | Alignment:
    """Open a study of ratings or of similarity judgments by its folder or its file."""
    from aisthesis.execution.progress import Terminal

    if not holds_similarities(path, follow_links):
        return open_study(path, follow_links=follow_links, verbose=verbose)
    from aisthesis import Alignment

    reporter = Terminal(verbose=verbose)
    if path.is_file():
        return Alignment.from_toml(path, reporter=reporter, follow_links=follow_links)
    return Alignment.open(path, reporter=reporter, follow_links=follow_links)


def report_of(
    path: Path, follow_links: bool, photographs: Literal["auto", "inline", "folder"]
) -> Path:
    """Do what a study's report lacks and write it; from what is stored where images are absent."""
    from aisthesis import Study
    from aisthesis.execution.progress import Terminal

    study = open_any(path, follow_links=follow_links)
    why = study.absent
    if why:
        Terminal().warn(f"{why}; the report is made from what the study's folder holds")
    else:
        study.run(until=study.commands[-2], here=True)
    page = study.report(photographs=photographs) if isinstance(study, Study) else study.report()
    remember(study)
    return page
