"""The rows of a status, of studies of either kind."""

from __future__ import annotations

__all__ = ["STATUS_COLUMNS", "Row"]

STATUS_COLUMNS = ("stage", "of", "state", "done", "total", "why")

Row = tuple[str, str, str, int, int, str]
