"""Cosine, Pearson's r and mean squared error, exactly, without a pixel.

An upsampled map is ``U_y M U_x^T``, so the mean over pixels of the product of two maps is
``sum((G_y^T M_a G_x) * M_b)`` with the Gram matrices ``G = U_a^T U_b / size_px`` of each axis.
"""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor

from aisthesis.agreement.axis import Axis
from aisthesis.agreement.stack import MapStack

__all__ = ["cosine", "cross_cosine", "gram", "mse", "onto_grid", "pearson"]


@lru_cache(maxsize=256)
def gram(a: Axis, b: Axis, size_px: int) -> Tensor:
    """Mean products over pixels of the interpolation weights of two axes, float64, not to change.

    (cells of a, cells of b).
    """
    return a.matrix(size_px).mT @ b.matrix(size_px) / size_px


def onto_grid(
    maps: Tensor, axes: tuple[Axis, Axis], others: tuple[Axis, Axis], size_px: int
) -> Tensor:
    """Maps (..., h', w'), such that a plain product with maps on `others` is one of pixels.

    Of maps (..., h, w) and their partners, both upsampled; means over pixels, not sums.
    """
    if axes == others == (Axis(size_px), Axis(size_px)):
        return maps / size_px**2
    gram_y, gram_x = (
        gram(own, other, size_px).to(maps.device) for own, other in zip(axes, others, strict=True)
    )
    return gram_y.mT @ maps @ gram_x


def _onto_grid_of(a: MapStack, b: MapStack) -> Tensor:
    return onto_grid(a.small, a.axes, b.axes, a.size_px)


def cosine(a: MapStack, b: MapStack) -> Tensor:
    """Cosine of the angle between two maps as vectors of pixels: (N,), -1 to 1."""
    return (_onto_grid_of(a, b) * b.small).sum(dim=(1, 2)).clamp(-1, 1)


def pearson(a: MapStack, b: MapStack) -> Tensor:
    """Pearson's r over pixels: (N,), -1 to 1. On z-scored maps it is the cosine."""
    return cosine(a, b)


def mse(a: MapStack, b: MapStack) -> Tensor:
    """Mean squared difference over pixels: (N,), 0 to 4. On z-scored maps 2 (1 - cosine)."""
    return 2 * (1 - cosine(a, b))


def cross_cosine(a: MapStack, b: MapStack) -> Tensor:
    """Cosine of every map of `a` with every map of `b`: (N_a, N_b); NaN where undefined."""
    values = _onto_grid_of(a, b).flatten(1) @ b.small.flatten(1).mT
    undefined = a.undefined[:, None] | b.undefined[None, :]
    return values.clamp(-1, 1).masked_fill(undefined, float("nan"))
