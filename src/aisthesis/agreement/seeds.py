"""Cosines between maps by single seeds: within a backbone and between two, in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aisthesis.agreement.axis import Axis, Part
from aisthesis.agreement.linear import onto_grid
from aisthesis.agreement.parallel import one_thread_an_operation
from aisthesis.agreement.registration import Framed, register
from aisthesis.agreement.stack import MapStack
from aisthesis.errors import RequestError
from aisthesis.maps.aligned import SEED_MAPS, aligned

__all__ = [
    "SeedCosines",
    "SeedMaps",
    "over_different_seeds",
    "require_seeds",
    "seed_chunks",
    "seed_cosines",
    "single_seed_cosines",
]

#: Images whose maps of every seed are standardised together.
IMAGES_AT_ONCE = 128

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeedCosines:
    """Mean cosines between single seeds' maps of one image.

    Attributes
    ----------
    n_seeds
        Number of seeds by backbone, in the backbones' order.
    within
        (N, backbones) mean over pairs of different seeds of one backbone; NaN with one seed.
    between
        (N, pairs) mean over seeds of one backbone with different seeds of the other; pairs in the
        order of `itertools.combinations`. NaN where any of the maps is undefined.
    defined
        (N, backbones) bool: the maps of all seeds have z-scores.
    within_pair
        (N, pairs, 2) as `within`, of both backbones of each pair over the part of the photograph
        that both saw; None where all saw the same.
    """

    n_seeds: Mapping[str, int]
    within: Matrix
    between: Matrix
    defined: NDArray[np.bool_]
    within_pair: NDArray[np.float64] | None = None

    def within_both(self, column: int) -> Matrix:
        """(N, 2) `within` of both backbones of a pair, over the part that both saw."""
        if self.within_pair is not None:
            return self.within_pair[:, column]
        return self.within[:, [self.backbones.index(name) for name in self.pairs[column]]]

    @property
    def backbones(self) -> list[str]:
        """Names of the backbones, in order."""
        return list(self.n_seeds)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names of the backbones of each pair, in order."""
        return list(combinations(self.n_seeds, 2))


@one_thread_an_operation()
def single_seed_cosines(
    maps: Mapping[str, Any],
    size_px: int = 224,
    boxes: Mapping[str, ArrayLike] | None = None,
) -> SeedCosines:
    """Compare the maps of single seeds, within and between backbones, a few images at a time.

    Seed number s of two backbones may share what is not the backbones' (a study draws the same
    training images for it; two layers of one network even have the same head), which would pass
    for agreement. So only different seeds are compared, unless each has one alone.

    Parameters
    ----------
    maps
        (S, N, h, w) maps of the same N images by backbone; S, h and w may differ.
    size_px
        Side of the pixel grid on which maps are z-scored and compared.
    boxes
        As in `pair_values`: two backbones are compared over the part that both saw, one with
        itself over all that it saw, and over that part too.

    Raises
    ------
    RequestError
        If the maps have no seed axis or are of different images.
    """
    maps = aligned(maps, SEED_MAPS).arrays
    require_seeds(maps)
    pairs = list(combinations(maps, 2))
    n, n_seeds = _n_images(maps), {name: int(one.shape[0]) for name, one in maps.items()}
    registered = register(maps, pairs, boxes, size_px)
    every = {**maps, **registered.maps}
    within, between = np.empty((n, len(every))), np.empty((n, len(pairs)))
    defined = np.empty((n, len(every)), dtype=bool)
    for place, chunk in seed_chunks(every, size_px):
        for column, one in enumerate(chunk.values()):
            within[place, column] = over_different_seeds(one, one, size_px).cpu().numpy()
            defined[place, column] = one.maps.isfinite().flatten(1).all(dim=1).cpu().numpy()
        for column, (a, b) in enumerate(registered.pairs):
            between[place, column] = over_different_seeds(chunk[a], chunk[b], size_px).cpu().numpy()
    within[:, [int(one.shape[0]) < 2 for one in every.values()]] = np.nan
    own = slice(len(maps))
    found = SeedCosines(n_seeds, within[:, own], between, defined[:, own])
    if len(every) == len(maps):
        return found
    column_of = {key: column for column, key in enumerate(every)}
    columns = [[column_of[key] for key in pair] for pair in registered.pairs]
    return replace(found, within_pair=within[:, columns])


@dataclass(frozen=True, eq=False)
class SeedMaps:
    """Standardised maps (images, S, h, w) and what of their rows and columns is compared."""

    maps: torch.Tensor
    axes: tuple[Axis, Axis]


def seed_chunks(
    maps: Mapping[Any, Any], size_px: int, index: NDArray[np.intp] | None = None
) -> Iterator[tuple[slice, dict[Any, SeedMaps]]]:
    """Give the standardised maps of every backbone, a few images at a time.

    With `index`, of those images alone; the slice then counts along `index`.
    """
    n = _n_images(maps) if index is None else len(index)
    step = IMAGES_AT_ONCE
    if any(isinstance(one, Framed) and one.axes is None for one in maps.values()):
        # their grid is fine
        step = max(1, step // 16)
    for start in range(0, n, step):
        place = slice(start, min(start + step, n))
        images = place if index is None else index[place]
        yield place, {name: _standardised(one[:, images], size_px) for name, one in maps.items()}


def over_different_seeds(a: SeedMaps, b: SeedMaps, size_px: int) -> torch.Tensor:
    """Mean over pixels, and over seeds s of one and t != s of the other, of their product: (M,).

    Where neither has a second seed, over the one of each. Of standardised maps it is the cosine.
    """
    on_b, other = onto_grid(a.maps, a.axes, b.axes, size_px), b.maps
    every = (on_b.sum(dim=1) * other.sum(dim=1)).sum(dim=(-2, -1))
    common = min(on_b.shape[1], other.shape[1])
    n = on_b.shape[1] * other.shape[1] - common
    if n == 0:
        return every
    same = (on_b[:, :common] * other[:, :common]).sum(dim=(1, 2, 3))
    return (every - same) / n


@one_thread_an_operation()
def seed_cosines(maps_a: Any, maps_b: Any, size_px: int = 224) -> Matrix:
    """Cosine of z-scored maps for every seed of one stack with every seed of another.

    Parameters
    ----------
    maps_a, maps_b
        (S, N, h, w) and (T, N, h', w') maps of the same N images.
    size_px
        Side of the pixel grid.

    Returns
    -------
    ndarray
        (N, S, T) float64; NaN where a map is flat or not finite.
    """
    both = aligned({"a": maps_a, "b": maps_b}, SEED_MAPS).arrays
    parts = [np.empty((0, *(int(one.shape[0]) for one in both.values())))]
    for _, chunk in seed_chunks(both, size_px):
        a, b = chunk["a"], chunk["b"]
        on_b = onto_grid(a.maps, a.axes, b.axes, size_px)
        cosines = torch.einsum("nshw,nthw->nst", on_b, b.maps)
        parts.append(cosines.clamp(-1, 1).cpu().numpy())
    return np.concatenate(parts)


def require_seeds(maps: Mapping[str, Any]) -> None:
    """Refuse maps that have no seed axis or are not of the same images."""
    wrong = {name: tuple(one.shape) for name, one in maps.items() if len(one.shape) != 4}
    if wrong:
        raise RequestError(
            f"expected maps of shape (seeds, N, h, w) for each backbone, got {wrong}; "
            "give the maps of the single seeds, not their average"
        )
    images = {name: int(one.shape[1]) for name, one in maps.items()}
    if len(set(images.values())) > 1:
        raise RequestError(
            f"expected maps of the same images for every backbone, got {images} images; "
            "explain the same images with each"
        )


def _n_images(maps: Mapping[str, Any]) -> int:
    return next((int(one.shape[1]) for one in maps.values()), 0)


def _standardised(maps: Any, size_px: int) -> SeedMaps:
    """(N, S, h, w) maps of mean 0 and SD 1 on the pixel grid; NaN where undefined."""
    seeds, n = int(maps.shape[0]), int(maps.shape[1])
    maps = maps if isinstance(maps, torch.Tensor | Part) else np.asarray(maps)
    stack = MapStack.of(maps.reshape(seeds * n, *maps.shape[2:]), size_px)
    small = stack.small.masked_fill(stack.undefined[:, None, None], float("nan"))
    return SeedMaps(small.reshape(seeds, n, *stack.native_size).transpose(0, 1), stack.axes)
