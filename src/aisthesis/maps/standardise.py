"""Z-scores over the pixels of each map."""

from __future__ import annotations

import torch
from torch import Tensor

from aisthesis.errors import RequestError

__all__ = ["FLAT_TOLERANCE", "z_score"]

#: A map is flat when its SD is at most this share of its largest magnitude: what rounding in
#: single precision leaves of a constant map, whatever the unit of the scores.
FLAT_TOLERANCE = 1e-6


def z_score(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise each map by the mean and the population SD over its own pixels.

    Parameters
    ----------
    maps
        (..., H, W) floating-point maps on the grid on which they are compared.

    Returns
    -------
    z : Tensor
        (..., H, W), dtype of `maps`, mean 0 and SD 1; all zeros where the map is flat; all NaN
        where the map holds a value that is not finite.
    flat : Tensor
        (...), bool: True where the SD is at most `FLAT_TOLERANCE` times the largest magnitude.
        Such a map has no z-scores; its zeros are for the eye only.
    """
    if maps.ndim < 2 or not maps.is_floating_point() or 0 in maps.shape[-2:]:
        raise RequestError(
            f"expected floating-point maps of shape (..., H, W), got {maps.dtype} of shape "
            f"{tuple(maps.shape)}; give the maps as a float tensor"
        )
    wide = maps.double()
    magnitude = wide.abs().amax(dim=(-2, -1), keepdim=True)
    # Squares of very small or very large maps would leave the range of a float.
    scaled = torch.where(magnitude > 0, wide / magnitude, wide)
    centred = scaled - scaled.mean(dim=(-2, -1), keepdim=True)
    sd = centred.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    flat = sd <= FLAT_TOLERANCE
    z = torch.where(flat, torch.zeros_like(centred), centred / sd)
    z = torch.where(magnitude.isfinite(), z, torch.full_like(z, torch.nan))
    return z.to(maps.dtype), flat[..., 0, 0]
