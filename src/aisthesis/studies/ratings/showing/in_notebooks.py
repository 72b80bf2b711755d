"""A study as a line of words and as a table, as Python and notebooks show it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aisthesis.studies.ratings.study import Study

__all__ = ["study_as_html", "study_in_words"]

_SCORES = ("property", "backbone", "n", "plcc", "srcc", "rmse", "r2")


def study_in_words(study: Study) -> str:
    """Say where a study is, what it is of and which of its stages have been done."""
    first = next(iter(study.properties.values()), study).folder  # stages go by properties in turn
    stages = first.provenance().get("stages")
    done = [name for name in study.commands if isinstance(stages, dict) and name in stages]
    if first.predictions.is_file() and "fit" not in done:
        done.insert(0, "fit")
    labels = [backbone.label for backbone in study.config.backbones]
    shown = ", ".join(labels[:6]) + (", ..." if len(labels) > 6 else "")
    of = f"{', '.join(study.properties)}; " if study.properties else ""
    return (
        f"Study({str(study.folder.root)!r}: {of}{len(labels)} network"
        f"{'s' if len(labels) > 1 else ''} ({shown}), "
        f"{study.config.seeds} seed{'s' if study.config.seeds > 1 else ''}; "
        f"done: {', '.join(done) or 'nothing yet'})"
    )


def study_as_html(study: Study) -> str:
    """The same, with the table of held-out scores where there is one."""
    said = f"<p>{escape(study_in_words(study))}</p>"
    each = study.properties.values() or [study]
    if not all(one.folder.scores.is_file() for one in each):
        return said
    scores = study.scores.query("split == 'test' and seed == 'mean' and head == 'mlp'")
    shown = scores[[column for column in _SCORES if column in scores]]
    return said + str(shown.round(3).to_html(index=False, border=0))
