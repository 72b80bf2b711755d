"""Infidelity: does the sum of a map over removed pixels tell how far the prediction falls?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aisthesis.errors import RequestError
from aisthesis.faithfulness.baselines import fill_of
from aisthesis.faithfulness.cells import CellGrid, cell_values
from aisthesis.faithfulness.predicting import Model, predict, require_images
from aisthesis.maps.aligned import aligned

__all__ = ["infidelity", "removed_squares"]

Array = NDArray[np.float64]

LARGEST_SHARE = 0.5  # of the grid's side that the square removed may take


def infidelity(
    model: Model,
    images: Tensor,
    maps: Mapping[str, ArrayLike],
    *,
    baseline: str = "blur",
    cell_px: int = 16,
    n_samples: int = 50,
    seed: int = 0,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda n: None,
) -> dict[str, Array]:
    """Share of the prediction's changes that each map leaves unexplained.

    From each image, squares of cells at random places and of random sizes are removed one at a
    time. With d the fall of the prediction and a the sum of the map over the square, infidelity is
    the mean of (b a − d)² over the squares, divided by the mean of d². The map's scale b is the
    best one that is not negative: the scale of a map is not judged, its sign is. The predictions
    are the same for every map and are computed once.

    This is captum's ``infidelity(normalize=True)`` divided by the mean of d², except that captum
    also turns a map round whose sign is wrong.

    Parameters
    ----------
    model : module or callable
        Images (N, 3, H, W) to predictions (N,).
    images : Tensor
        Shape (N, 3, H, W).
    maps : mapping
        Maps (N, h, w) of any resolution by the name of their method; labelled ones as in
        `perturbation_curves`.
    baseline : {"blur", "mean", "noisy_linear"}
        What takes the place of removed pixels.
    cell_px : int
        Side of the cells of which squares are made, in pixels.
    n_samples : int
        Squares an image.
    seed : int
        Of the squares and the imputation's noise.
    batch_size : int
        Perturbed images at a time.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    dict
        Arrays (N,) by method, 0 (best) to 1 (no better than a map of zeros); NaN where the map is
        flat or not finite, or where no square changes the prediction.

    References
    ----------
    Yeh, Hsieh, Suggala, Inouye & Ravikumar (2019), "On the (in)fidelity and sensitivity of
    explanations", NeurIPS: equation 2, its square removal and optimal scaling.
    """
    require_images(images)
    if n_samples < 2:
        raise RequestError(f"expected at least 2 squares an image, got n_samples = {n_samples}")
    grid = CellGrid(images.shape[2], images.shape[3], cell_px)
    sums = {
        name: cell_values(each, grid, f"maps {name!r}") * grid.areas()
        for name, each in aligned(maps).arrays.items()
    }
    results = {name: np.full(len(images), np.nan) for name in sums}
    for name, each in sums.items():
        if len(each) != len(images):
            raise RequestError(f"expected {len(images)} maps {name!r}, one an image: {len(each)}")
    intact = predict(model, images, batch_size)
    for index, image in enumerate(images):
        squares = removed_squares(grid, n_samples, seed=[seed, index])
        fill = fill_of(baseline, image, seed=seed + index)
        outputs = [
            predict(model, fill(grid.pixels(part)), batch_size)
            for part in np.array_split(squares, -(-n_samples // batch_size))
        ]
        fall = intact[index] - np.concatenate(outputs)
        for name, each in sums.items():
            results[name][index] = _unexplained(squares @ each[index], fall)
        advance(1)
    return results


def removed_squares(grid: CellGrid, n_samples: int, seed: int | list[int]) -> NDArray[np.bool_]:
    """Squares of cells to remove, (n_samples, cells), bool.

    Sides are equally likely from one cell to half the grid's shorter side, and every place at
    which the square fits is equally likely.
    """
    rng = np.random.default_rng(seed)
    rows, columns = grid.shape
    largest = max(1, int(LARGEST_SHARE * min(rows, columns)))
    squares = np.zeros((n_samples, rows, columns), dtype=bool)
    for square in squares:
        side = int(rng.integers(1, largest + 1))
        top, left = rng.integers(0, rows - side + 1), rng.integers(0, columns - side + 1)
        square[top : top + side, left : left + side] = True
    return squares.reshape(n_samples, -1)


def _unexplained(explained: Array, fall: Array) -> float:
    """Mean of (b a − d)² over the mean of d², at the best b that is not negative."""
    if not np.isfinite(explained).all() or not np.square(fall).sum() > 0:
        return float("nan")
    # Scaled first: the squares of very small maps would leave the range of a float.
    strongest = np.abs(explained).max()
    a = explained / strongest if strongest > 0 else explained
    scale = max(0.0, float(a @ fall)) / float(a @ a) if strongest > 0 else 0.0
    return float(np.square(scale * a - fall).sum() / np.square(fall).sum())
