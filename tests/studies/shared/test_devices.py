"""Which GPU a worker takes."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from aisthesis.errors import RequestError
from aisthesis.studies.shared import devices


def test_workers_share_out_the_gpus_by_their_numbers(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for name, expected in ((0, "cuda:0"), (3, "cuda:3"), (6, "cuda:2")):
        worker = SimpleNamespace(name=name)
        fake = SimpleNamespace(get_worker=lambda worker=worker: worker)
        monkeypatch.setitem(sys.modules, "distributed", fake)
        assert str(devices.choose_device("auto")) == expected


def test_a_process_that_is_no_worker_takes_the_first(monkeypatch) -> None:
    def none():
        raise ValueError("No worker found")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=none))
    assert str(devices.choose_device("auto")) == "cuda"


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(RequestError, match="cannot be used here"):
        devices.choose_device("cuda:77")
