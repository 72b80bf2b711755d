"""Threads: the same results in the same order, and torch as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from aisthesis.agreement import pair_values
from aisthesis.agreement.parallel import in_threads


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 3])
def test_every_item_is_done_once_and_given_in_order(threads, n):
    threads(n)
    done = []
    assert list(in_threads(done.append, range(20))) == list(range(20))
    assert sorted(done) == list(range(20))
    assert torch.get_num_threads() == n


@pytest.mark.parametrize("n", [1, 3])
def test_an_error_ends_the_work_and_leaves_torch_as_it_was(threads, n):
    threads(n)

    def fail_at_three(item):
        if item == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        list(in_threads(fail_at_three, range(20)))
    assert torch.get_num_threads() == n


def test_values_do_not_depend_on_the_number_of_threads(threads):
    rng = np.random.default_rng(0)
    maps = {name: rng.normal(size=(30, side, side)) for name, side in (("a", 7), ("b", 14))}
    threads(1)
    one = pair_values(maps, size_px=112)
    threads(3)
    pd.testing.assert_frame_equal(pair_values(maps, size_px=112), one, check_exact=True)
