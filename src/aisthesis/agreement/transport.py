"""Optimal transport between the places of two maps' evidence, through POT (optional)."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.agreement.stack import MapStack
from aisthesis.errors import AisthesisError, RequestError

__all__ = ["DEFAULT_GRID", "MOST_GRID", "spatial_emd"]

#: Cells along a side of the grid on which mass is moved. Native maps have 7 to 14.
DEFAULT_GRID = 16
#: The cost of an exact plan grows with about the sixth power of the side.
MOST_GRID = 32


def spatial_emd(a: MapStack, b: MapStack, grid: int = DEFAULT_GRID) -> Tensor:
    """Distance that the evidence of one map has to move to become that of the other: (N,).

    The mean of two exact optimal-transport distances: between the positive parts and between the
    negative parts of the z-scored maps, each part normalised to mass one. Ground distance is
    Euclidean between cell centres, in fractions of the image's diagonal, so the range is 0 to 1.

    Parameters
    ----------
    a, b
        Stacks of N maps.
    grid
        Cells along a side of the grid, 2 to 32, to which the maps are interpolated bilinearly.

    Raises
    ------
    RequestError
        If `grid` is out of range or POT is not installed.

    References
    ----------
    Rubner, Tomasi & Guibas (2000), "The earth mover's distance as a metric for image retrieval",
    International Journal of Computer Vision 40, 99-121. Flamary et al. (2021), "POT: Python
    optimal transport", Journal of Machine Learning Research 22(78).
    """
    if not 2 <= grid <= MOST_GRID:
        raise RequestError(f"expected a transport grid of 2 to {MOST_GRID} cells, got {grid}")
    solver = _solver()
    distance = _ground_distance(grid)
    cells_a = a.onto_cells(grid).flatten(1).cpu().numpy()
    cells_b = b.onto_cells(grid).flatten(1).cpu().numpy()
    usable = ~(a.undefined | b.undefined).cpu().numpy()
    values = np.full(len(a), np.nan)
    for image in np.flatnonzero(usable):
        parts = [
            _part_distance(solver, sign * cells_a[image], sign * cells_b[image], distance)
            for sign in (1.0, -1.0)
        ]
        values[image] = np.mean(parts)
    return torch.from_numpy(values).to(a.small.device)


def _part_distance(
    solver: ModuleType,
    cells_a: NDArray[np.float64],
    cells_b: NDArray[np.float64],
    distance: NDArray[np.float64],
) -> float:
    at_a, at_b = np.flatnonzero(cells_a > 0), np.flatnonzero(cells_b > 0)
    if not (at_a.size and at_b.size):
        return float("nan")
    mass_a, mass_b = cells_a[at_a], cells_b[at_b]
    costs = np.ascontiguousarray(distance[np.ix_(at_a, at_b)])
    cost, report = solver.emd2(
        mass_a / mass_a.sum(), mass_b / mass_b.sum(), costs, numItermax=1_000_000, log=True
    )
    if report["warning"] is not None:
        raise AisthesisError(f"optimal transport did not finish: {report['warning']}")
    return max(float(cost), 0.0)


@lru_cache(maxsize=8)
def _ground_distance(grid: int) -> NDArray[np.float64]:
    centres = (np.arange(grid) + 0.5) / grid
    y, x = (axis.ravel() for axis in np.meshgrid(centres, centres, indexing="ij"))
    return np.hypot(y[:, None] - y, x[:, None] - x) / np.sqrt(2.0)


def _solver() -> ModuleType:
    try:
        return import_module("ot")
    except ImportError as error:
        raise RequestError(
            "the metric spatial_emd needs the package POT, which is not installed; "
            "run `pip install pot`, or leave the metric out"
        ) from error
