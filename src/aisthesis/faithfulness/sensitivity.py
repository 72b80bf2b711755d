"""Sensitivity: how far a map moves when the image hardly does."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aisthesis.errors import RequestError
from aisthesis.faithfulness.predicting import require_images
from aisthesis.faithfulness.table import MAP_CONTROLS, tidy_measure

__all__ = ["NEARBY", "Explain", "max_sensitivity", "sensitivity_table"]

#: What `baseline` says in the rows of sensitivity: nothing is removed.
NEARBY = "nearby"

#: Images (N, 3, H, W) to maps (N, h, w).
Explain = Callable[[Tensor], ArrayLike | Tensor]


def max_sensitivity(
    explain: Explain,
    images: Tensor,
    *,
    radius: float = 0.02,
    n_samples: int = 10,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float64]:
    """Largest change of a map under small random changes of the image, by captum.

    The largest, over `n_samples` images within ±`radius` of the image, of the norm of the maps'
    difference over the norm of the map. Low is steady, which is not the same as right: a map that
    ignores the image, like a centre prior, has 0. Read it beside a measure of faithfulness.

    Parameters
    ----------
    explain : callable
        Images (N, 3, H, W) to maps (N, h, w). It may need gradients; it is called with them on.
    images : Tensor
        Shape (N, 3, H, W).
    radius : float
        Largest change of a pixel, in units of the network's input.
    n_samples : int
        Changed images an image.
    seed : int
        Of the changes; torch's global random state is left as it was.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    ndarray
        Shape (N,), 0 or more, a share of the map's norm; NaN where the map is zero everywhere or
        not finite.

    Raises
    ------
    RequestError
        If captum is not installed, or a number is out of range.

    References
    ----------
    Yeh, Hsieh, Suggala, Inouye & Ravikumar (2019), "On the (in)fidelity and sensitivity of
    explanations", NeurIPS: max-sensitivity.
    """
    require_images(images)
    if radius <= 0 or n_samples < 1:
        raise RequestError(
            f"expected a radius above 0 and at least 1 sample, got {radius} and {n_samples}"
        )
    sensitivity_max = _captum_sensitivity()

    def explanation(inputs: Any) -> tuple[Tensor]:
        batch = inputs[0] if isinstance(inputs, tuple) else inputs
        with torch.enable_grad():  # captum has turned gradients off
            maps = explain(batch)
        tensor = maps if isinstance(maps, Tensor) else torch.from_numpy(np.asarray(maps))
        return (tensor.detach().double().cpu(),)  # captum iterates over it

    results = np.full(len(images), np.nan)
    streams = np.random.SeedSequence(seed).generate_state(len(images))
    for index, image in enumerate(images):
        (own,) = explanation(image[None])
        if bool(own.isfinite().all()) and bool(own.abs().max() > 0):
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(int(streams[index]))
                found = sensitivity_max(
                    explanation,
                    image[None],
                    perturb_radius=radius,
                    n_perturb_samples=n_samples,
                )
            results[index] = float(found[0])
        advance(1)
    return results


def sensitivity_table(
    explainers: Mapping[str, Callable[[Tensor, int], ArrayLike | Tensor]],
    images: Tensor,
    *,
    map_px: tuple[int, int] = (7, 7),
    radius: float = 0.02,
    n_samples: int = 5,
    n_boot: int = 2000,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> pd.DataFrame:
    """Summarise the max-sensitivity of several methods between two yardsticks.

    The control ``random`` is noise drawn anew for every image, however little it differs from
    another: what a map that knows nothing of the image comes to. ``centre`` is the same map for
    all images, with 0.

    Parameters
    ----------
    explainers : mapping
        By method: images (M, 3, H, W), all nearby one image, and the number of that image, to maps
        (M, h, w).
    images : Tensor
        Shape (N, 3, H, W).
    map_px : (int, int)
        Rows and columns of the noise.
    radius, n_samples, seed
        See `max_sensitivity`.
    n_boot : int
        Of the bootstrap over images.
    advance : callable
        Told of every image that is done; there are N times the methods and one more.

    Returns
    -------
    pandas.DataFrame
        Columns `FAITHFULNESS_COLUMNS`, see `tidy_measure`; ``baseline`` is "nearby".
    """
    random, centre = MAP_CONTROLS
    every: dict[str, Callable[[Tensor, int], ArrayLike | Tensor]] = {
        **explainers,
        random: lambda batch, _: _noise_of(batch, map_px),
    }
    values = {}
    for name, explain in every.items():
        found = [
            max_sensitivity(
                lambda batch, explain=explain, i=i: explain(batch, i),  # type: ignore[misc]
                images[i : i + 1],
                radius=radius,
                n_samples=n_samples,
                seed=seed + i,
                advance=advance,
            )
            for i in range(len(images))
        ]
        values[name] = np.concatenate(found)
    values[centre] = np.zeros(len(images))
    return tidy_measure(values, "sensitivity", NEARBY, n_boot=n_boot, seed=seed)


def _noise_of(images: Tensor, map_px: tuple[int, int]) -> NDArray[np.float64]:
    """Standard normal maps that are other ones for every image, (N, h, w)."""
    keys = [zlib.crc32(image.detach().cpu().numpy().tobytes()) for image in images]
    return np.stack([np.random.default_rng(key).normal(size=map_px) for key in keys])


def _captum_sensitivity() -> Callable[..., Tensor]:
    try:
        from captum.metrics import sensitivity_max
    except ImportError as error:
        raise RequestError(
            "sensitivity needs captum, which is not installed; install it with "
            "pip install 'aisthesis[peers]'"
        ) from error
    return sensitivity_max
