"""Optimal transport with answers known by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from aisthesis.agreement import MapStack, spatial_emd
from aisthesis.errors import RequestError


def spot(y, x, size=16):
    maps = np.zeros((1, size, size))
    maps[0, y, x] = 1.0
    return maps


def test_a_moved_spot_costs_its_way_in_fractions_of_the_diagonal():
    pytest.importorskip("ot")
    a, b = MapStack.of(spot(4, 2)), MapStack.of(spot(4, 10))
    way = 8 / 16 / np.sqrt(2)
    # The negative parts are one even background each, less the spot's own cell (1 of 255).
    assert spatial_emd(a, b).item() == pytest.approx((way + way / 255) / 2, rel=1e-6)


def test_against_linear_programming():
    pytest.importorskip("ot")
    from scipy.optimize import linprog

    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 1, 4, 4))
    a, b = (MapStack.of(one, 4) for one in maps)
    grid = np.stack(np.meshgrid(*[(np.arange(4) + 0.5) / 4] * 2, indexing="ij"), -1).reshape(-1, 2)
    ground = np.linalg.norm(grid[:, None] - grid, axis=-1) / np.sqrt(2)
    expected = []
    for sign in (1, -1):
        p, q = (np.clip(sign * one.small.numpy().ravel(), 0, None) for one in (a, b))
        marginals = np.vstack([np.kron(np.eye(16), np.ones(16)), np.kron(np.ones(16), np.eye(16))])
        masses = np.concatenate([p / p.sum(), q / q.sum()])
        expected.append(linprog(ground.ravel(), A_eq=marginals, b_eq=masses).fun)
    assert spatial_emd(a, b, grid=4).item() == pytest.approx(np.mean(expected), abs=1e-8)


def test_without_pot_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    stack = MapStack.of(spot(1, 1))
    with pytest.raises(RequestError, match="pip install pot"):
        spatial_emd(stack, stack)


def test_a_grid_out_of_range_is_refused():
    stack = MapStack.of(spot(1, 1))
    with pytest.raises(RequestError, match="2 to 32"):
        spatial_emd(stack, stack, grid=64)
