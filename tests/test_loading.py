"""The collector waits while libraries are loaded, and goes on as before."""

from __future__ import annotations

import gc

import pytest

from aisthesis.loading import loading


@pytest.fixture(autouse=True)
def as_before():
    held = gc.get_threshold()
    yield
    gc.set_threshold(*held)


@pytest.mark.parametrize("own", [(700, 10, 10), (300_000, 5, 5), (0, 10, 10)])
def test_thresholds_come_back(own) -> None:
    gc.set_threshold(*own)
    with pytest.raises(ImportError), loading():
        _fail(seen := [])
    assert gc.get_threshold() == own
    assert seen == [0 if own[0] == 0 else max(own[0], 100_000)]


def _fail(seen: list[int]) -> None:
    seen.append(gc.get_threshold()[0])
    raise ImportError
