"""Former place of what a study tells its progress to; scripts written for 0.1 find it here."""

from __future__ import annotations

from aisthesis.execution.progress import ProgressReporter, Silent, Terminal

Narrator = ProgressReporter

__all__ = ["Narrator", "Silent", "Terminal"]
