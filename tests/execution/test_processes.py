"""Helper processes: order of results, errors, and what happens to one that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from aisthesis.errors import AisthesisError, RequestError, or_list
from aisthesis.execution.processes import Processes
from aisthesis.names.explainers import checked_names

psutil = pytest.importorskip("psutil")


def test_jobs_are_shared_with_helpers_that_stay():
    """Until one has loaded what it needs, this process does all; results have their numbers."""
    who, ends = ("sleep 0.1; echo $PPID",), time.monotonic() + 60
    others = psutil.Process().children()  # of tests before

    def helpers():
        return [child for child in psutil.Process().children() if child not in others]

    with Processes(2) as processes:
        assert not processes.started
        seen = set(dict(processes.as_finished(subprocess.getoutput, [who] * 2)).values())
        while not helpers() and time.monotonic() < ends:
            time.sleep(0.01)
        (helper,) = helpers()
        both = {str(os.getpid()), str(helper.pid)}
        while seen != both and time.monotonic() < ends:
            seen |= set(dict(processes.as_finished(subprocess.getoutput, [who] * 4)).values())
        assert seen == both
        jobs = [((sign,),) for sign in "abcdef"]
        assert dict(processes.as_finished(or_list, jobs)) == dict(enumerate("abcdef"))
        assert helpers() == [helper]
        helper.kill()
        with pytest.raises(AisthesisError, match=r"helper process ended .* \(code -9\)"):
            dict(processes.as_finished(subprocess.getoutput, [who] * 4))
    assert not helper.is_running()


def test_what_a_job_raises_is_raised_here():
    with Processes(2) as processes, pytest.raises(RequestError, match="did you mean grad_cam"):
        dict(processes.as_finished(checked_names, [(["gradcam"],)] * 3))


_ASLEEP = """
import time
from aisthesis.execution.processes import Processes
try:
    dict(Processes(3).as_finished(time.sleep, [(60,), (60,), (60,)]))
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
