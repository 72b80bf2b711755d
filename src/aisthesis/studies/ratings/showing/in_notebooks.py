"""A study as a line of words and as a table, as Python and notebooks show it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd

from aisthesis.config import StudyConfig
from aisthesis.store.folder import StudyFolder

__all__ = ["study_as_html", "study_in_words"]

_SCORES = ("property", "backbone", "n", "plcc", "srcc", "rmse", "r2")


def study_in_words(
    root: Path,
    config: StudyConfig,
    properties: Sequence[str],
    first: StudyFolder,
    commands: Sequence[str],
) -> str:
    """Say where a study is, what it is of and which of its stages have been done.

    `first` is the folder of the first property; of a study of one it is that of the study.
    `commands` do the stages, in their order.
    """
    stages = first.provenance().get("stages")
    done = [name for name in commands if isinstance(stages, dict) and name in stages]
    if first.predictions.is_file() and "fit" not in done:
        done.insert(0, "fit")
    labels = [backbone.label for backbone in config.backbones]
    shown = ", ".join(labels[:6]) + (", ..." if len(labels) > 6 else "")
    of = f"{', '.join(properties)}; " if properties else ""
    return (
        f"Study({str(root)!r}: {of}{len(labels)} network{'s' if len(labels) > 1 else ''} "
        f"({shown}), {config.seeds} seed{'s' if config.seeds > 1 else ''}; done: "
        f"{', '.join(done) or 'nothing yet'})"
    )


def study_as_html(words: str, scores: pd.DataFrame | None) -> str:
    """The words, with the scores of averaged predictions on test images where there are any."""
    said = f"<p>{escape(words)}</p>"
    if scores is None:
        return said
    means = scores.query("split == 'test' and seed == 'mean' and head == 'mlp'")
    shown = means[[column for column in _SCORES if column in means]]
    return said + str(shown.round(3).to_html(index=False, border=0))
