"""The report of a study: written observations, figures, and one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisthesis.report.write import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Load the report when it is asked for: processes that draw figures do without most of it."""
    if name not in __all__:
        raise AttributeError(f"module 'aisthesis.report' has no attribute {name!r}")
    from aisthesis.report.write import write_report

    return write_report
