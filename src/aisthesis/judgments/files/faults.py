"""Faults of a table by kind, told in one message."""

from __future__ import annotations

from collections import defaultdict

from aisthesis.errors import RequestError

__all__ = ["Faults"]

_LISTED = 10


class Faults:
    """Faults of a table by kind, told in one message."""

    def __init__(self, table: str, n_rows: int) -> None:
        self._table, self._n_rows = table, n_rows
        self._by_kind: dict[str, list[str]] = defaultdict(list)
        self._hints: dict[str, None] = {}

    def add(self, kind: str, line: int, detail: str = "", *, hint: str = "") -> None:
        """Note a fault of a line; a hint is said once, after all faults."""
        self._by_kind[kind].append(f"line {line}{f' ({detail})' if detail else ''}")
        if hint:
            self._hints.setdefault(hint)

    def refuse_any(self) -> None:
        """Raise what was noted.

        Raises
        ------
        RequestError
            If anything was.
        """
        if not self._by_kind:
            return
        parts = []
        for kind, lines in self._by_kind.items():
            more = f" and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
            parts.append(f"{kind}: {', '.join(lines[:_LISTED])}{more}")
        raise RequestError(
            f"{self._table} cannot be used as it is ({self._n_rows} rows). {'; '.join(parts)}. "
            f"Correct or remove these lines{''.join(f'; {hint}' for hint in self._hints)}."
        )
