"""The maps of one backbone as plain arrays, averaged over seeds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import xarray as xr
import zarr

from aisthesis.names.explainers import BASE, EXPLAINERS, FORMER
from aisthesis.report.folder.selection import in_order

__all__ = [
    "GRID_PX",
    "BackboneMaps",
    "CropBox",
    "crop_boxes",
    "differing_crops",
    "kinds_of",
    "read_backbone_maps",
]

KINDS = BASE
GRID_PX = 224  # the grid on which maps are z-scored and compared
#: Images of a study that a page shows; of more, so many spread evenly over the study are read.
MOST_IMAGES = 500
LONGEST = 28  # rows or columns of other explainers' maps; finer ones are averaged to it


@dataclass(frozen=True)
class CropBox:
    """What part of a photograph the network saw, in pixels of the upright original."""

    left: float
    top: float
    right: float
    bottom: float
    width_px: float
    height_px: float

    @property
    def fractions(self) -> tuple[float, float, float, float]:
        """Left, top, width and height as fractions of the photograph."""
        return (
            self.left / self.width_px,
            self.top / self.height_px,
            (self.right - self.left) / self.width_px,
            (self.bottom - self.top) / self.height_px,
        )


@dataclass(frozen=True)
class BackboneMaps:
    """Maps of one backbone.

    Attributes
    ----------
    label : str
        The backbone.
    images : tuple of str
        Names of the explained images, or of those that a page shows of many.
    kinds : dict of str to numpy.ndarray
        `ais` and `evidence` (rating units times activation), `ais_place` and `evidence_place`
        (rating units), each image × y × x at the layer's resolution: the mean over seeds. Other
        explainers' maps under their names, each on a grid of its own.
    crops : tuple of CropBox or None
        Where each map lies in its photograph; None where the study does not say.
    dead : frozenset of str
        Images of which some seed's evidence map is zero everywhere: its head is dead there.
    """

    label: str
    images: tuple[str, ...]
    kinds: dict[str, np.ndarray]
    crops: tuple[CropBox | None, ...]
    dead: frozenset[str] = frozenset()

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.images)}

    def get(self, kind: str, image: str) -> np.ndarray | None:
        """Give the map (y × x) of an image, or None if there is none or it is not finite."""
        index = self._position.get(image)
        if index is None or kind not in self.kinds:
            return None
        found: np.ndarray = self.kinds[kind][index]
        return found if np.isfinite(found).all() else None

    @property
    def sizes_px(self) -> dict[str, tuple[float, float]] | None:
        """Width and height of every image; None where the study does not say them all."""
        if any(crop is None for crop in self.crops):
            return None
        boxes = zip(self.images, self.crops, strict=True)
        return {name: (c.width_px, c.height_px) for name, c in boxes if c is not None}

    def crop(self, image: str) -> CropBox | None:
        """Give the crop box of an image, where the study says it."""
        index = self._position.get(image)
        return None if index is None else self.crops[index]


def differing_crops(maps: dict[str, BackboneMaps], tolerance: float = 0.01) -> list[str]:
    """Name the backbones that saw another part of some photograph than the first one did.

    Parameters
    ----------
    maps : dict of str to BackboneMaps
        By label.
    tolerance : float
        How far edges may lie apart, in fractions of the photograph's sides.

    Returns
    -------
    list of str
        Labels; empty where all saw the same part of every photograph.
    """
    stacks = list(maps.values())
    if not stacks:
        return []
    return [stack.label for stack in stacks[1:] if _crops_differ(stacks[0], stack, tolerance)]


def _crops_differ(one: BackboneMaps, other: BackboneMaps, tolerance: float) -> bool:
    for image in one.images:
        a, b = one.crop(image), other.crop(image)
        if (
            a is not None
            and b is not None
            and not np.allclose(a.fractions, b.fractions, rtol=0, atol=tolerance)
        ):
            return True
    return False


def crop_boxes(dataset: xr.Dataset, n: int) -> tuple[CropBox | None, ...]:
    """Where the n images' maps lie in their photographs; None where it is not stored."""
    names = ("crop_left", "crop_top", "crop_right", "crop_bottom", "width_px", "height_px")
    if any(name not in dataset.variables for name in names):
        return (None,) * n
    boxes = np.stack([np.asarray(dataset[name].values, dtype=float) for name in names], axis=1)
    usable = np.isfinite(boxes).all(axis=1)
    usable &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    usable &= (boxes[:, 4] > 0) & (boxes[:, 5] > 0)
    return tuple(
        CropBox(*map(float, b)) if ok else None for b, ok in zip(boxes, usable, strict=True)
    )


def _read_one(
    store: Path, group: str, wanted: tuple[str, ...], left_out: Collection[str]
) -> BackboneMaps | None:
    with xr.open_zarr(store, group=group, consolidated=False, chunks=None) as dataset:
        dataset = _sampled(dataset)
        kinds, silent = {}, np.zeros(dataset.sizes["image"], dtype=bool)
        for kind in wanted:
            if kind in dataset:
                seeds = dataset[kind].load()
                if "seed" in seeds.dims and kind == "evidence":
                    silent = (seeds == 0).all(("y", "x")).any("seed").to_numpy()
                mean = seeds.mean("seed", skipna=False) if "seed" in seeds.dims else seeds
                kinds[kind] = mean.transpose("image", "y", "x").to_numpy().astype(np.float32)
        if not kinds:
            return None
        images = tuple(str(name) for name in dataset["image"].values)
        dead = frozenset(name for name, none in zip(images, silent, strict=True) if none)
        kinds |= _other_kinds(store / group, images, left_out)
        label = str(dataset.attrs.get("backbone", group))
        return BackboneMaps(label, images, kinds, crop_boxes(dataset, len(images)), dead)


def _sampled(dataset: xr.Dataset) -> xr.Dataset:
    """Take the images that a page shows; nothing is read yet."""
    n = dataset.sizes["image"]
    if n <= MOST_IMAGES:
        return dataset
    return dataset.isel(image=np.linspace(0, n - 1, MOST_IMAGES).round().astype(int))


def _other_kinds(
    group: Path, images: tuple[str, ...], left_out: Collection[str]
) -> dict[str, np.ndarray]:
    """Maps of the same images by other explainers, which lie in groups of their own."""
    found = {}
    names = {name for name, _ in zarr.open_group(group, mode="r", use_consolidated=False).groups()}
    names -= {*left_out, *FORMER}
    known = [name for name in EXPLAINERS if name in names and name not in KINDS]
    for method in (*known, *sorted(names.difference(EXPLAINERS))):
        with xr.open_zarr(group, group=method, consolidated=False, chunks=None) as dataset:
            dataset = _sampled(dataset)
            if tuple(str(name) for name in dataset["image"].values) == images:
                maps = dataset[method].transpose("image", "y", "x").to_numpy()
                found[method] = _at_most(maps.astype(np.float32), LONGEST)
    return found


def _at_most(maps: np.ndarray, longest: int) -> np.ndarray:
    """Average maps (N, h, w) over areas until no side is longer."""
    height, width = (min(side, longest) for side in maps.shape[1:])
    if (height, width) == maps.shape[1:]:
        return maps
    pooled = torch.nn.functional.adaptive_avg_pool2d(
        torch.from_numpy(maps)[:, None], (height, width)
    )
    smaller: np.ndarray = pooled[:, 0].numpy()
    return smaller


def kinds_of(maps: dict[str, BackboneMaps]) -> list[str]:
    """Kinds of maps that some backbone has: by place, by channel, then as in `EXPLAINERS`."""
    held = dict.fromkeys(kind for one in maps.values() for kind in one.kinds)
    known = [kind for kind in EXPLAINERS if kind in held]
    return in_order([*known, *(kind for kind in held if kind not in EXPLAINERS)])


def read_backbone_maps(
    store: Path,
    order: list[str],
    kinds: tuple[str, ...] = KINDS,
    left_out: Collection[str] = (),
) -> dict[str, BackboneMaps]:
    """Read the maps of every backbone of a study.

    Parameters
    ----------
    store : Path
        The folder `maps.zarr`; it may be missing.
    order : list of str
        Labels in the order wanted; labels that are not named here follow.
    kinds : tuple of str
        Kinds of maps to read; a backbone that has none of them is left out. Other explainers'
        maps of its images are read too.
    left_out : collection of str
        Other explainers whose maps are not read.

    Returns
    -------
    dict of str to BackboneMaps
        By label, averaged over seeds.
    """
    if not store.is_dir():
        return {}
    root = zarr.open_group(store, mode="r", use_consolidated=False)
    groups = [name for name, _ in root.groups()]
    stacks = [
        stack
        for name in sorted(groups)
        if not name.startswith(".")
        and (stack := _read_one(store, name, kinds, left_out)) is not None
    ]
    rank = {label: k for k, label in enumerate(order)}
    stacks.sort(key=lambda stack: rank.get(stack.label, len(rank)))
    return {stack.label: stack for stack in stacks}
