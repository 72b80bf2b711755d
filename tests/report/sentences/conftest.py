"""The property tests share modules beside them, and say how many sentences they have checked."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def pytest_terminal_summary(terminalreporter):
    """Say how much was read."""
    from reading import READ

    if READ:
        terminalreporter.write_line(
            f"report: {READ['sentences']:,} sentences checked against {READ['tables']:,} tables, "
            f"{READ['claims']:,} claims of templates listed"
        )
