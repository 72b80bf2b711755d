"""The report that compares several properties of the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisthesis.report.properties.write import write_properties_report

__all__ = ["write_properties_report"]


def __getattr__(name: str) -> Any:
    """Load it when it is asked for, as the report of one property."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aisthesis.report.properties.write import write_properties_report

    return write_properties_report
