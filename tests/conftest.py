"""Fixtures that several packages' tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from torch import nn

import aisthesis as ais

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no garbage while libraries are loaded, nor later for what is there by then."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of real data and weights beside the checkout, or skip with a reason."""
    folder = Path(os.environ.get("AISTHESIS_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real data and weights are not at {folder}")
    return folder


@pytest.fixture(autouse=True, scope="session")
def coarse_figures():
    """Draw figures at a fifth of their resolution, which is most of what a report takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisthesis.report.charts.figures.DPI", 60)
        yield


@pytest.fixture(autouse=True, scope="session")
def nothing_flushed():
    """Leave flushing to the system: no test takes the machine's power away.

    Tests of what is flushed, and when, put their own function there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_status_kept():
    """Find out every status anew: tests change what is in memory too, which no digest tells."""
    from aisthesis.cli import standing

    def untold(*_rest):
        raise standing._UntoldError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standing, "_source_of", untold)
        yield


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Write reports without the files in `figures/`, which are most of what a report takes."""
    monkeypatch.setattr("aisthesis.report.write.FigureFiles.begin", lambda *_: None)
    monkeypatch.setattr("aisthesis.report.charts.figures.save_figure", lambda *_: [])


@pytest.fixture(scope="module")
def own() -> ais.Backbone:
    """A small convolutional network of the user's, global average pooled."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU()
    )
    transform = ais.Transform(64, 64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return ais.Backbone(network, layer="2", transform=transform, embed="pool")
