"""A stack of maps as the metrics see it: standardised, on the pixel grid, derived things kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aisthesis.agreement.axis import Axis, Part
from aisthesis.errors import RequestError
from aisthesis.maps.aligned import laid_out
from aisthesis.maps.standardise import FLAT_TOLERANCE

__all__ = ["MapStack"]

Derived = TypeVar("Derived", Tensor, tuple[Tensor, ...])


@dataclass(frozen=True, eq=False)
class MapStack:
    """Maps of one backbone, one per image, z-scored on a square pixel grid.

    Upsampling is linear and keeps constants, so the small maps are shifted and scaled such that
    their *upsampled* versions have mean 0 and SD 1; pixels are made only when a metric asks for
    them. Make one with `MapStack.of`.

    Attributes
    ----------
    small
        (N, h, w) float64 standardised maps at the layer's resolution; zeros where flat, NaN where
        not finite.
    undefined
        (N,) bool: the map is flat or not finite, so it has no z-scores and no agreement.
    size_px
        Side of the pixel grid.
    axes
        The stretch of the maps' rows and of their columns that the grid covers.
    """

    small: Tensor
    undefined: Tensor
    size_px: int
    axes: tuple[Axis, Axis]
    _derived: dict[Any, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        maps: ArrayLike | Tensor | Part,
        size_px: int = 224,
        device: torch.device | str | None = None,
    ) -> MapStack:
        """Standardise maps of shape (N, h, w), given as a tensor or as any array.

        Parameters
        ----------
        maps
            (N, h, w) finite or not; a tensor stays on its device unless `device` says otherwise,
            and a `DataArray` may have its dimensions in any order. Of a `Part` the pixels are
            those of the part.
        size_px
            Side of the square pixel grid on which maps are compared.
        device
            Where to compute.

        Raises
        ------
        RequestError
            If `maps` is not a stack of numeric maps or `size_px` is not positive.
        """
        wide = _as_double(maps.maps if isinstance(maps, Part) else maps, device)
        height, width = wide.shape[1:]
        axes = maps.axes if isinstance(maps, Part) else (Axis(height), Axis(width))
        if not isinstance(size_px, int) or size_px < 1:
            raise RequestError(f"expected size_px as a positive whole number, got {size_px!r}")
        magnitude = wide.abs().amax(dim=(1, 2), keepdim=True)
        # Squares of very small or very large maps would leave the range of a float.
        scaled = torch.where(magnitude > 0, wide / magnitude, wide)
        if axes == (Axis(size_px), Axis(size_px)):  # the pixels themselves
            centred = scaled - scaled.mean(dim=(1, 2), keepdim=True)
            square = centred.square().mean(dim=(1, 2), keepdim=True)
        else:
            pixel_mean, gram_y, gram_x = _grid_moments(scaled, axes, size_px)
            centred = scaled - pixel_mean
            square = ((gram_y @ centred @ gram_x) * centred).sum(dim=(1, 2), keepdim=True)
        sd = square.clamp(min=0).sqrt()
        flat = sd <= FLAT_TOLERANCE
        small = torch.where(flat, torch.zeros_like(centred), centred / sd)
        finite = magnitude.isfinite()
        small = torch.where(finite, small, torch.full_like(small, torch.nan))
        return cls(small, (flat | ~finite)[:, 0, 0], size_px, axes)

    def __len__(self) -> int:
        return int(self.small.shape[0])

    @property
    def native_size(self) -> tuple[int, int]:
        """Height and width of the maps at the layer's resolution."""
        return int(self.small.shape[1]), int(self.small.shape[2])

    @property
    def is_pixels(self) -> bool:
        """Whether `small` has a value for each pixel already."""
        return self.axes == (Axis(self.size_px), Axis(self.size_px))

    def onto_cells(self, n_px: int) -> Tensor:
        """Interpolate the standardised maps onto a grid of that side: (N, n_px, n_px), float64."""
        if self.axes == (Axis(n_px), Axis(n_px)):
            return self.small
        along_y, along_x = (axis.matrix(n_px).to(self.small) for axis in self.axes)
        return along_y @ self.small @ along_x.mT

    def once(self, build: Callable[[MapStack], Derived]) -> Derived:
        """Give ``build(self)``, computed the first time only.

        `build` returns a tensor, or a tuple of tensors, with the images along the first axis.
        """
        if build not in self._derived:
            self._derived[build] = build(self)
        derived: Derived = self._derived[build]
        return derived

    def pixels(self) -> Tensor:
        """Give the z-scored maps on the pixel grid: (N, size_px, size_px), float32."""
        return self.once(_pixels)

    def take(self, index: Tensor | slice) -> MapStack:
        """Give the images at `index` (M,), with what has been derived for them so far.

        A slice copies nothing.
        """
        derived = {
            build: tuple(part[index] for part in value)
            if isinstance(value, tuple)
            else value[index]
            for build, value in self._derived.items()
        }
        return MapStack(self.small[index], self.undefined[index], self.size_px, self.axes, derived)


def _as_double(maps: ArrayLike | Tensor, device: torch.device | str | None) -> Tensor:
    if isinstance(maps, Tensor):
        tensor = maps.detach()
    else:
        array = np.asarray(laid_out(maps))
        if array.dtype.kind not in "fiub":
            raise RequestError(f"expected numeric maps, got {array.dtype}; convert them to floats")
        tensor = torch.from_numpy(np.array(array, dtype=np.float64))
    if tensor.ndim != 3 or 0 in tensor.shape[1:] or tensor.is_complex():
        raise RequestError(
            f"expected maps of shape (N, h, w), one per image, got {tuple(tensor.shape)}; "
            "average the seeds first and keep the image axis even for one image"
        )
    return tensor.to(device=device, dtype=torch.float64)


def _grid_moments(
    maps: Tensor, axes: tuple[Axis, Axis], size_px: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean over pixels (N, 1, 1) and, per axis, the Gram matrix of the interpolation / size_px."""
    along_y, along_x = (axis.matrix(size_px).to(maps.device) for axis in axes)
    mean = along_y.mean(dim=0) @ maps @ along_x.mean(dim=0)
    return mean[:, None, None], along_y.mT @ along_y / size_px, along_x.mT @ along_x / size_px


def _pixels(stack: MapStack) -> Tensor:
    if stack.is_pixels:
        return stack.small.float()
    along_y, along_x = (axis.matrix(stack.size_px).to(stack.small).float() for axis in stack.axes)
    return along_y @ stack.small.float() @ along_x.mT
