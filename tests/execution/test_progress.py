from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from aisthesis.execution import progress
from aisthesis.execution.progress import Silent, Terminal, reporter_here


def in_a_log(**keys) -> tuple[Terminal, io.StringIO]:
    reporter, written = Terminal(**keys), io.StringIO()
    reporter.console = Console(file=written, soft_wrap=True)
    return reporter, written


def test_a_log_has_a_line_every_so_often_though_no_step_is_finished(monkeypatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    reporter, written = in_a_log()
    with reporter.steps("faithfulness", 4) as advance:
        time.sleep(0.15)
        advance(1)
        time.sleep(0.15)
    lines = written.getvalue().splitlines()
    assert "faithfulness: 0 of 4 after 0 s" in lines
    assert any(line.startswith("faithfulness: 1 of 4 after 0 s, about") for line in lines)
    assert lines[-1] == "faithfulness: 1 of 4 in 0 s"
    time.sleep(0.06)
    assert len(written.getvalue().splitlines()) == len(lines)  # nobody speaks after the end


def test_a_short_stage_is_one_line_and_a_failed_one_none() -> None:
    reporter, written = in_a_log()
    with pytest.raises(ValueError, match="broken"), reporter.steps("maps", 3):
        raise ValueError("broken")
    with reporter.steps("maps", 3) as advance:
        advance(3)
    assert written.getvalue() == "maps: 3 of 3 in 0 s\n"


def test_details_are_for_those_who_ask() -> None:
    for verbose in (False, True):
        reporter, written = in_a_log(verbose=verbose)
        reporter.detail("the traced graph")
        assert bool(written.getvalue()) == verbose


def test_outside_of_notebooks_nobody_is_told_by_default() -> None:
    assert type(reporter_here()) is Silent
