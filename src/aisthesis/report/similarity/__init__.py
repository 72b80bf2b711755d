"""The report of a study of similarity judgments."""

from __future__ import annotations

from aisthesis.report.similarity.write import write_alignment_report

__all__ = ["write_alignment_report"]
