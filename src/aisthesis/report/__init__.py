"""The report of a study: written observations, figures, and one self-contained page."""

from __future__ import annotations

from aisthesis.report.write import write_report

__all__ = ["write_report"]
