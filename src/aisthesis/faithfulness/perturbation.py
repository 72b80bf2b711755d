"""Insertion and deletion curves: how a prediction moves as pixels go in the order of a map."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aisthesis.errors import RequestError
from aisthesis.faithfulness.baselines import fill_of, require_baseline
from aisthesis.faithfulness.cells import ORDERS, CellGrid, cell_values, removal_orders
from aisthesis.faithfulness.predicting import Model, predict, require_images
from aisthesis.maps.aligned import aligned

__all__ = ["curve_measures", "perturbation_curves"]

Array = NDArray[np.float64]
Unit = float | Literal["full_change"]

_UNMOVED = 1e-9  # a full change below this share of the prediction is none


class _Task(NamedTuple):
    """One perturbed image: where its prediction belongs, and its pixels."""

    image: int
    slots: list[tuple[int, int, int]]  # method, order, step
    pixels: Tensor


def perturbation_curves(
    model: Model,
    images: Tensor,
    maps: Mapping[str, ArrayLike],
    *,
    baseline: str = "blur",
    n_steps: int = 10,
    cell_px: int = 16,
    orders: Collection[str] = ORDERS,
    seed: int = 0,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda n: None,
) -> xr.DataArray:
    """Predict images from which ever more pixels are removed, in the order of each map.

    Cells of `cell_px` pixels are ranked by the mean of the map, upsampled bilinearly, over the
    cell. Cells of equal value go in a seeded random order. Images that two maps or two orders have
    in common are predicted once.

    Parameters
    ----------
    model : module or callable
        Images (N, 3, H, W) to predictions (N,), in rating units.
    images : Tensor
        Shape (N, 3, H, W), as the network reads them, on its device.
    maps : mapping
        Maps (N, h, w) of any resolution by the name of their method. Labelled maps are put in
        the order of the first of them, which has to be that of `images`.
    baseline : {"blur", "mean", "noisy_linear"}
        What takes the place of removed pixels, see `baselines.fill_of`.
    n_steps : int
        Steps from the whole image to the whole baseline, of equal numbers of cells up to rounding.
    cell_px : int
        Side of the square cells, in pixels; 1 removes single pixels.
    orders : collection of str
        Some of `ORDERS`: ``highest`` and ``lowest`` value first, ``largest`` and ``smallest``
        magnitude first.
    seed : int
        Of ties and of the imputation's noise; each image has its own stream.
    batch_size : int
        Perturbed images at a time.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    xarray.DataArray
        Predictions, dims (map, order, image, step), float64; coordinate ``share`` (step): the
        share of removed cells, 0 to 1. NaN for a map that is flat or not finite. The curve of
        *inserting* cells in an order is that of removing them in the opposite order, read
        backwards.

    Raises
    ------
    RequestError
        If the maps, the baseline, the orders or the numbers are unfit.

    References
    ----------
    Petsiuk, Das & Saenko (2018), "RISE: randomized input sampling for explanation of black-box
    models", BMVC (insertion and deletion). Samek, Binder, Montavon, Lapuschkin & Müller (2017),
    "Evaluating the visualization of what a deep neural network has learned", IEEE TNNLS 28(11)
    (most and least relevant first).
    """
    require_images(images)
    require_baseline(baseline)
    unknown = sorted(set(orders) - set(ORDERS))
    if unknown or not orders:
        raise RequestError(f"expected orders from {', '.join(ORDERS)}, got {sorted(orders)}")
    grid = CellGrid(images.shape[2], images.shape[3], cell_px)
    counts = _counts(n_steps, len(grid))
    same = aligned(maps)
    values = {name: cell_values(each, grid, f"maps {name!r}") for name, each in same.arrays.items()}
    for name, each in values.items():
        if len(each) != len(images):
            raise RequestError(f"expected {len(images)} maps {name!r}, one an image: {len(each)}")
    kept = [order for order in ORDERS if order in set(orders)]
    predictions = np.full((len(values), len(kept), len(images), len(counts)), np.nan)
    tasks = _tasks(images, list(values.values()), kept, counts, grid, baseline, seed)
    done = 0
    for part in _batched(tasks, batch_size):
        outputs = predict(model, torch.stack([task.pixels for task in part]), batch_size)
        for task, output in zip(part, outputs, strict=True):
            for method, order, step in task.slots:
                predictions[method, order, task.image, step] = output
        advance(part[-1].image - done)
        done = part[-1].image
    advance(len(images) - done)
    return xr.DataArray(
        predictions,
        dims=("map", "order", "image", "step"),
        coords={
            "map": list(values),
            "order": kept,
            "share": ("step", np.array(counts) / len(grid)),
            **({} if same.names is None else {"image": same.names}),
        },
        name="prediction",
        attrs={"baseline": baseline, "cell_px": cell_px, "seed": seed},
    )


def _counts(n_steps: int, n_cells: int) -> list[int]:
    if not 1 <= n_steps <= n_cells:
        raise RequestError(
            f"expected 1 to {n_cells} steps for {n_cells} cells, got n_steps = {n_steps}; take "
            "fewer steps or smaller cells"
        )
    return np.rint(np.linspace(0, n_cells, n_steps + 1)).astype(int).tolist()


def _tasks(
    images: Tensor,
    values: list[Array],
    orders: list[str],
    counts: list[int],
    grid: CellGrid,
    baseline: str,
    seed: int,
) -> Iterator[_Task]:
    for index, image in enumerate(images):
        fill = fill_of(baseline, image, seed=_stream(seed, index))
        wanted: dict[bytes, list[tuple[int, int, int]]] = {}
        cells: dict[bytes, NDArray[np.bool_]] = {}
        for method, each in enumerate(values):
            if not np.isfinite(each[index]).all():
                continue
            ranked = removal_orders(each[index], _stream(seed, index))
            for number, order in enumerate(orders):
                for step, count in enumerate(counts):
                    removed = np.zeros(len(grid), dtype=bool)
                    removed[ranked[order][:count]] = True
                    key = removed.tobytes()
                    cells[key] = removed
                    wanted.setdefault(key, []).append((method, number, step))
        for key, slots in wanted.items():
            pixels = image if not cells[key].any() else fill(grid.pixels(cells[key][None]))[0]
            yield _Task(index, slots, pixels)


def _stream(seed: int, index: int) -> int:
    """Seed of one image, so that its result does not depend on the others."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def _batched(tasks: Iterator[_Task], size: int) -> Iterator[list[_Task]]:
    part: list[_Task] = []
    for task in tasks:
        part.append(task)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def curve_measures(
    curves: xr.DataArray, unit: Unit = 1.0, *, signed: Mapping[str, bool] | None = None
) -> xr.DataArray:
    """Areas of the curves: what each map is worth in each image.

    With f(s) the prediction when a share s of the cells is removed, and areas over s from 0 to 1
    by the trapezoidal rule, every measure is a mean change of the prediction, and higher is
    better:

    - ``deletion_positive``: of f(0) − f(s), highest value first (minus the area of the curve of
      the most relevant first, MoRF): removing what the map says raises the prediction lowers it.
    - ``deletion_negative``: of f(s) − f(0), lowest value first (the area of LeRF): removing what
      the map says lowers the prediction raises it.
    - ``insertion_positive``: of the prediction above that of the bare baseline while cells are
      put back, highest value first.
    - ``insertion_negative``: of the prediction below that of the bare baseline, lowest first.
    - ``road``: LeRF − MoRF, the sum of the two deletion measures; f(0) cancels. With the
      baseline ``noisy_linear`` this is ROAD.
    - ``magnitude``: of |f(s) − f(0)|, largest magnitude first, less that with the smallest first.

    Putting cells back highest first passes through the same images as removing them lowest
    first, so ``insertion_positive`` = ``deletion_negative`` + f(0) − f(1) for a signed map: for
    two maps of one image the two measures differ by the same amount.

    Parameters
    ----------
    curves : xarray.DataArray
        From `perturbation_curves`, with all of `ORDERS`.
    unit : float or "full_change"
        What the changes are divided by: the SD of the human ratings, say; or, image by image,
        the magnitude of f(1) − f(0), which is NaN where the whole baseline changes nothing.
    signed : mapping, optional
        False for methods whose maps have no sign (a centre prior, an activation): their highest
        values come first on the negative side too, so their ``road`` is 0. Default: all True.

    Returns
    -------
    xarray.DataArray
        Dims (measure, map, image), in units of `unit`; NaN where the curve is.
    """
    _require_unit(unit)
    f = {order: curves.sel(order=order, drop=True) for order in ORDERS}
    share = curves["share"].to_numpy()
    start, end = f["highest"].isel(step=0), f["highest"].isel(step=-1)

    def area(change: xr.DataArray) -> xr.DataArray:
        return xr.DataArray(
            np.trapezoid(change.transpose("map", "image", "step").to_numpy(), share, axis=-1),
            dims=("map", "image"),
            coords={"map": curves["map"]},
        )

    signs = [True if signed is None else signed.get(str(m), True) for m in curves["map"].values]
    has_sign = xr.DataArray(signs, dims="map", coords={"map": curves["map"]})
    negative_last = xr.where(has_sign, f["highest"], f["lowest"])
    negative_first = xr.where(has_sign, f["lowest"], f["highest"])
    down, up = area(start - f["highest"]), area(negative_first - start)
    measures = {
        "deletion_positive": down,
        "deletion_negative": up,
        # a curve read backwards has the same area
        "insertion_positive": area(f["lowest"] - end),
        "insertion_negative": area(end - negative_last),
        "road": down + up,
        "magnitude": area(abs(f["largest"] - start)) - area(abs(f["smallest"] - start)),
    }
    stacked = xr.concat(list(measures.values()), dim="measure").assign_coords(
        measure=list(measures)
    )
    return stacked / _divisor(unit, start, end)


def _require_unit(unit: Unit) -> None:
    if unit != "full_change" and not (
        isinstance(unit, int | float) and np.isfinite(unit) and unit > 0
    ):
        raise RequestError(
            f"expected a positive unit in rating units or 'full_change', got {unit!r}; give the SD "
            "of the ratings"
        )


def _divisor(unit: Unit, start: xr.DataArray, end: xr.DataArray) -> xr.DataArray | float:
    if not isinstance(unit, str):
        return float(unit)
    change = abs(end - start)
    return change.where(change > _UNMOVED * abs(start))
