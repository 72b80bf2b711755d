"""Every explanation and every measure in one tidy table, against its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aisthesis.agreement import mean_intervals
from aisthesis.errors import RequestError
from aisthesis.faithfulness.baselines import BASELINES, require_baseline
from aisthesis.faithfulness.cells import CellGrid
from aisthesis.faithfulness.channel_removal import ACTIVATION, RANDOM, channel_measures
from aisthesis.faithfulness.infidelity import infidelity
from aisthesis.faithfulness.localisation import centre_prior
from aisthesis.faithfulness.perturbation import Unit, curve_measures, perturbation_curves
from aisthesis.faithfulness.predicting import Model, require_images
from aisthesis.maps.aligned import aligned
from aisthesis.names.explainers import BESIDE
from aisthesis.stats.differences import corrected_by_control

__all__ = [
    "FAITHFULNESS_COLUMNS",
    "MAP_CONTROLS",
    "MeasuredImages",
    "channel_table",
    "faithfulness_table",
    "faithfulness_values",
    "summarised",
    "tidy_measure",
]

Array = NDArray[np.float64]
#: Values (N,) by method, of each (measure, baseline).
MeasuredImages = dict[tuple[str, str], dict[str, Array]]

FAITHFULNESS_COLUMNS = (
    "method",
    "measure",
    "baseline",
    "mean",
    "low",
    "high",
    "n",
    "n_undefined",
    "control",
    "difference",
    "difference_low",
    "difference_high",
    "difference_p_corrected",
)
#: Maps that know nothing of the network: independent noise, and the middle of the image.
MAP_CONTROLS = ("random", "centre")
NO_CONTROL = "none"


def tidy_measure(
    values: Mapping[str, Array],
    measure: str,
    baseline: str,
    controls: Iterable[str] = MAP_CONTROLS,
    *,
    n_boot: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Summarise one measure of several methods, each against each control.

    Parameters
    ----------
    values : mapping
        Values (N,) by method, image by image; NaN where undefined.
    measure, baseline : str
        For the columns of these names.
    controls : iterable of str
        Names in `values` that the others are compared with; those that are not there are left out.
    n_boot, seed : int
        Of the bootstrap over images: every method and every difference is resampled with the same
        images.

    Returns
    -------
    pandas.DataFrame
        Columns `FAITHFULNESS_COLUMNS`. A control has one row, whose ``control`` is "none"; every
        other method one for each control (or one with "none" where there is no control), and maps
        by place one for each of `BESIDE` too.
        ``mean`` is over the `n` images where the measure is defined, ``n_undefined`` are left
        out; ``difference`` is the mean of the method's value less the control's, over the images
        where both are defined. ``low`` and ``high`` are 95% limits of the studentised bootstrap.
        ``difference_p_corrected`` is corrected over all methods that are compared with the same
        control (`aisthesis.stats.differences`).
    """
    there = [control for control in controls if control in values]
    pairs = [
        (method, control)
        for method in values
        for control in ([] if method in there else [*there, *_beside(method, values)])
        or [NO_CONTROL]
    ]
    own = np.stack([values[method] for method, _ in pairs], axis=1)
    against = np.stack(
        [np.full(len(own), np.nan) if c == NO_CONTROL else values[c] for _, c in pairs], axis=1
    )
    columns = np.concatenate([own, own - against], axis=1)
    low, high = mean_intervals(columns, seed, n_boot)
    p = corrected_by_control([control for _, control in pairs], own - against, seed, n_boot)
    means = [_mean(column) for column in columns.T]
    rows = []
    for number, (method, control) in enumerate(pairs):
        other = number + len(pairs)
        n = int(np.isfinite(own[:, number]).sum())
        summary = (means[number], low[number], high[number], n, len(own) - n)
        compared = (control, means[other], low[other], high[other], p[number])
        rows.append((method, measure, baseline, *summary, *compared))
    return pd.DataFrame(rows, columns=list(FAITHFULNESS_COLUMNS))


def _beside(method: str, values: Mapping[str, Array]) -> list[str]:
    """Other methods that this one is compared with on the same images."""
    return [other for other in BESIDE.get(method, ()) if other in values]


def _mean(column: Array) -> float:
    defined = column[np.isfinite(column)]
    return float(defined.mean()) if defined.size else float("nan")


def faithfulness_table(
    model: Model,
    images: Tensor,
    maps: Mapping[str, ArrayLike],
    *,
    unit: Unit = 1.0,
    baselines: Sequence[str] = BASELINES,
    unsigned: Iterable[str] = ("centre", "activation"),
    n_steps: int = 10,
    cell_px: int = 16,
    n_squares: int = 50,
    n_random: int = 3,
    n_boot: int = 2000,
    seed: int = 0,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda n: None,
) -> pd.DataFrame:
    """Measure how faithful maps are to a network, against random maps and a centre prior.

    The measures of `curve_measures` and `infidelity`, with every baseline. What they ask is in
    `FAITHFULNESS_MEASURES`.

    Parameters
    ----------
    model : module or callable
        Images (N, 3, H, W) to predictions (N,), in rating units.
    images : Tensor
        Shape (N, 3, H, W), as the network reads them, on its device.
    maps : mapping
        Maps (N, h, w) of any resolution by method, labelled ones as in `perturbation_curves`.
        ``random`` and ``centre`` are added as
        controls unless they are among them.
    unit : float or "full_change"
        What changes of the prediction are divided by, see `curve_measures`: give the SD of the
        human ratings to have changes in rating SDs.
    baselines : sequence of str
        Some of ``blur``, ``mean`` and ``noisy_linear``.
    unsigned : iterable of str
        Methods whose maps have no sign.
    n_steps, cell_px
        See `perturbation_curves`.
    n_squares : int
        Squares an image for `infidelity`; 0 leaves it out.
    n_random : int
        Random maps an image, of one value a cell, whose measures are averaged.
    n_boot, seed : int
        Of the bootstrap over images; seed of everything random.
    batch_size : int
        Perturbed images at a time.
    advance : callable
        Told how many images were just done: each baseline counts all images once, and once more
        with `n_squares` above 0.

    Returns
    -------
    pandas.DataFrame
        Columns `FAITHFULNESS_COLUMNS`, see `tidy_measure`.

    Raises
    ------
    RequestError
        If the maps, the baselines or a number are unfit.
    """
    measures = faithfulness_values(
        model, images, maps, unit=unit, baselines=baselines, unsigned=unsigned, n_steps=n_steps,
        cell_px=cell_px, n_squares=n_squares, n_random=n_random, seed=seed, batch_size=batch_size,
        advance=advance,
    )  # fmt: skip
    return summarised(measures, n_boot=n_boot, seed=seed)


def summarised(measures: MeasuredImages, *, n_boot: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Summarise what `faithfulness_values` gives, each method against each control.

    Returns
    -------
    pandas.DataFrame
        Columns `FAITHFULNESS_COLUMNS`, see `tidy_measure`.
    """
    return pd.concat(
        [
            tidy_measure(values, measure, baseline, n_boot=n_boot, seed=seed)
            for (measure, baseline), values in measures.items()
        ],
        ignore_index=True,
    )


def faithfulness_values(
    model: Model,
    images: Tensor,
    maps: Mapping[str, ArrayLike],
    *,
    unit: Unit = 1.0,
    baselines: Sequence[str] = BASELINES,
    unsigned: Iterable[str] = ("centre", "activation"),
    n_steps: int = 10,
    cell_px: int = 16,
    n_squares: int = 50,
    n_random: int = 3,
    seed: int = 0,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda n: None,
) -> MeasuredImages:
    """Measure how faithful maps are to a network, image by image.

    Parameters are those of `faithfulness_table`, which summarises these values over images.

    Returns
    -------
    dict
        Values (N,) by method, controls among them, of each (measure, baseline).

    Raises
    ------
    RequestError
        If the maps, the baselines or a number are unfit.
    """
    require_images(images)
    if not maps or not baselines:
        raise RequestError("expected at least one method's maps and one baseline, got none")
    if n_random < 1:
        raise RequestError(f"expected at least 1 random map, got n_random = {n_random}")
    for baseline in baselines:
        require_baseline(baseline)
    every, random_names = _with_controls(images, aligned(maps).arrays, cell_px, n_random, seed)
    signed = dict.fromkeys(unsigned, False)
    measures: MeasuredImages = {}
    for baseline in baselines:
        curves = perturbation_curves(
            model, images, every, baseline=baseline, n_steps=n_steps, cell_px=cell_px,
            seed=seed, batch_size=batch_size, advance=advance,
        )  # fmt: skip
        measured = curve_measures(curves, unit, signed=signed)
        found = {
            str(name): dict(zip(every, part.to_numpy(), strict=True))
            for name, part in zip(measured["measure"].values, measured, strict=True)
        }
        if n_squares:
            found["infidelity"] = infidelity(
                model, images, every, baseline=baseline, cell_px=cell_px, n_samples=n_squares,
                seed=seed, batch_size=batch_size, advance=advance,
            )  # fmt: skip
        for measure, values in found.items():
            measures[measure, baseline] = _random_averaged(values, random_names)
    return measures


def _with_controls(
    images: Tensor, maps: Mapping[str, ArrayLike], cell_px: int, n_random: int, seed: int
) -> tuple[dict[str, ArrayLike], list[str]]:
    """Maps with the controls that are not among them, and the names of the added random ones."""
    n, _, height, width = images.shape
    every: dict[str, ArrayLike] = dict(maps)
    names: list[str] = []
    if "random" not in every:
        rng = np.random.default_rng(seed)
        names = [f"random {draw}" for draw in range(n_random)]
        shape = CellGrid(height, width, cell_px).shape
        every |= {name: rng.normal(size=(n, *shape)) for name in names}
    if "centre" not in every:
        every["centre"] = np.broadcast_to(centre_prior(height, width), (n, height, width))
    return every, names


def _random_averaged(values: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    if not names:
        return dict(values)
    others = {name: each for name, each in values.items() if name not in names}
    return others | {"random": np.mean([values[name] for name in names], axis=0)}


def channel_table(
    curves: xr.DataArray,
    unit: float = 1.0,
    *,
    rating: ArrayLike | Tensor | None = None,
    n_boot: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Summarise the joint removal of channels, against random and activation-ranked order.

    Parameters
    ----------
    curves : xarray.DataArray
        From `channel_curves`.
    unit, rating
        See `channel_measures`.
    n_boot, seed : int
        Of the bootstrap over images.

    Returns
    -------
    pandas.DataFrame
        Columns `FAITHFULNESS_COLUMNS`; ``baseline`` is "zero", what removed channels become, and
        the controls are ``random`` and ``activation``.
    """
    measured = channel_measures(curves, unit, rating=rating)
    rankings = [str(name) for name in measured["ranking"].values]
    return pd.concat(
        [
            tidy_measure(
                dict(zip(rankings, part.to_numpy(), strict=True)),
                str(name),
                "zero",
                (RANDOM, ACTIVATION),
                n_boot=n_boot,
                seed=seed,
            )
            for name, part in zip(measured["measure"].values, measured, strict=True)
        ],
        ignore_index=True,
    )
