"""Helper processes: order of results, errors, and what happens to one that dies."""

from __future__ import annotations

import os

import pytest

from aisthesis.engine.processes import cores, in_processes
from aisthesis.errors import AisthesisError, RequestError, or_list
from aisthesis.explainer_names import checked_names


def test_results_come_in_the_order_of_the_jobs():
    told = []
    jobs = [(("a", "b"),), (("c",),), (("d", "e", "f"),)]
    found = in_processes(or_list, jobs, 2, advance=told.append)
    assert found == ["a or b", "c", "d, e or f"]
    assert sum(told) == 3
    assert cores() >= 1


def test_what_a_job_raises_is_raised_here():
    with pytest.raises(RequestError, match="did you mean grad_cam"):
        in_processes(checked_names, [(["gradcam"],)] * 3, 2)


def test_a_helper_that_dies_is_said():
    with pytest.raises(AisthesisError, match=r"helper process ended .* \(code 7\)"):
        in_processes(os._exit, [(7,), (7,)], 2)
