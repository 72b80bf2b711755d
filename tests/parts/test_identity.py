"""A part's identity changes with its source, its settings and its weights, and else not."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import aisthesis as ais
from aisthesis.parts import bring, identity

HELPER = "FACTOR = 2\n"
MAIN = """
import math
import torch

def part(x):
    from own_helper import FACTOR
    return FACTOR * x

class Kind:
    def __init__(self, width=3):
        self.width = width
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "own_helper.py").write_text(HELPER)
    (tmp_path / "own_main.py").write_text(MAIN)
    (tmp_path / "own_other.py").write_text("other = 1\n")
    yield tmp_path
    for name in ("own_helper", "own_main", "own_other"):
        sys.modules.pop(name, None)


def now(folder: Path, attribute: str = "part") -> str:
    return identity(bring("metric", f"own_main:{attribute}", folder))


def test_the_source_and_what_it_imports_beside_itself_count(folder) -> None:
    first = now(folder)
    assert now(folder) == first
    (folder / "own_other.py").write_text("other = 2\n")
    assert now(folder) == first
    (folder / "own_helper.py").write_text("FACTOR = 3\n")
    second = now(folder)
    assert second != first
    assert bring("metric", "own_main:part", folder)(1) == 3
    (folder / "own_main.py").write_text(MAIN.replace("* x", "+ x"))
    assert now(folder) not in (first, second)
    assert bring("metric", "own_main:part", folder)(1) == 4


def test_relative_imports_of_a_package_count(tmp_path) -> None:
    package = tmp_path / "own_package"
    (package / "inner").mkdir(parents=True)
    for path, text in {
        "__init__.py": "", "inner/__init__.py": "", "inner/deep.py": "value = 1\n",
        "main.py": "from .inner import deep\n\ndef part():\n    return deep.value\n",
    }.items():  # fmt: skip
        (package / path).write_text(text)
    part = functools.partial(bring, "metric", "own_package.main:part", tmp_path)
    first = identity(part())
    (package / "inner" / "deep.py").write_text("value = 2\n")
    assert identity(part()) != first
    assert part()() == 2
    for name in [n for n in sys.modules if n.startswith("own_package")]:
        del sys.modules[name]


def test_settings_count(folder) -> None:
    kind = bring("metric", "own_main:Kind", folder)
    assert identity(kind(3)) == identity(kind(3))
    assert identity(kind(3)) != identity(kind(4))
    assert identity(kind(np.arange(3))) != identity(kind(np.arange(3) + 1))
    part = bring("metric", "own_main:part", folder)
    assert identity(functools.partial(part, 1)) != identity(functools.partial(part, 2))


def made(factor: int):
    return lambda x: factor * x


def test_what_a_function_closes_over_counts() -> None:
    assert identity(made(2)) == identity(made(2))
    assert identity(made(2)) != identity(made(3))


def test_weights_count_and_asking_does_not() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    first = identity(network)
    assert identity(network) == first
    backbone = ais.Backbone(
        network, layer="0", embed="pool",
        transform=ais.Transform(16, 16, mean=(0.5,) * 3, std=(0.5,) * 3),
    )  # fmt: skip
    before = identity(backbone)
    _ = backbone.fingerprint, backbone.n_parameters
    assert identity(backbone) == before
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] += 1
    assert identity(network) != first


@dataclass
class Around:
    held: object = None


def test_a_part_that_holds_itself_has_an_identity() -> None:
    one = Around()
    one.held = one
    assert len(identity(one)) == 16
