"""Helper processes: order of results, errors, and what happens to one that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from aisthesis.errors import AisthesisError, RequestError, or_list
from aisthesis.execution.processes import cores, in_processes, in_turn_or_processes
from aisthesis.names.explainers import checked_names

psutil = pytest.importorskip("psutil")


def test_results_come_in_the_order_of_the_jobs():
    told = []
    jobs = [(("a", "b"),), (("c",),), (("d", "e", "f"),)]
    found = in_processes(or_list, jobs, 2, advance=told.append)
    assert found == ["a or b", "c", "d, e or f"]
    assert sum(told) == 3
    assert cores() >= 1


def test_this_process_does_what_is_short_while_helpers_load():
    told = []
    found = in_turn_or_processes(os.getpid, [()] * 3, 2, told.append)
    assert (found, sum(told)) == ([os.getpid()] * 3, 3)
    with pytest.raises(RequestError, match="did you mean grad_cam"):
        in_turn_or_processes(checked_names, [(["gradcam"],)] * 3, 2, told.append)


def test_what_a_job_raises_is_raised_here():
    with pytest.raises(RequestError, match="did you mean grad_cam"):
        in_processes(checked_names, [(["gradcam"],)] * 3, 1)


def test_a_helper_that_dies_is_said():
    with pytest.raises(AisthesisError, match=r"helper process ended .* \(code 7\)"):
        in_processes(os._exit, [(7,), (7,)], 1)


_ASLEEP = """
import time
from aisthesis.execution.processes import in_processes
try:
    in_processes(time.sleep, [(60,), (60,)], 2)
except KeyboardInterrupt:
    print("stopped")
"""


def test_helpers_stop_at_ctrl_c_without_a_word():
    """The terminal sends it to the whole group while the helpers start."""
    run = subprocess.Popen(
        [sys.executable, "-c", _ASLEEP],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    parent, ends = psutil.Process(run.pid), time.monotonic() + 60
    while time.monotonic() < ends and len(parent.children()) < 2:
        time.sleep(0.1)
    helpers = parent.children()
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGINT)
    said, wrong = run.communicate(timeout=50)
    assert (said, wrong) == ("stopped\n", "")
    assert len(helpers) == 2
    assert not psutil.wait_procs(helpers, timeout=5)[1]
