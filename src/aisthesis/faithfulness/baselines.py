"""What takes the place of removed pixels: a blur, the mean, or noisy linear imputation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from aisthesis.errors import RequestError, or_list
from aisthesis.faithfulness.imputation import impute_linearly

__all__ = ["BASELINES", "BLUR_SD", "NOISE_SD", "Fill", "fill_of", "require_baseline"]

#: Sets of removed pixels (S, H, W), bool, to images without them (S, C, H, W).
Fill = Callable[[Tensor], Tensor]

BLUR_SD = 0.05  # in sides of the image: 11 pixels of 224
NOISE_SD = 0.01  # of the imputation, in units of the network's input
_TOLERANCE = 1e-3  # of the imputation: errors below its noise


def require_baseline(name: str) -> None:
    """Raise a RequestError unless there is such a baseline."""
    if name not in BASELINES:
        raise RequestError(f"expected a baseline {or_list(BASELINES)}, got {name!r}")


def fill_of(baseline: str, image: Tensor, *, seed: int = 0) -> Fill:
    """Give the function that removes pixels from one image.

    Parameters
    ----------
    baseline : {"blur", "mean", "noisy_linear"}
        ``blur``: removed pixels come from the image under a Gaussian of SD `BLUR_SD` sides.
        ``mean``: from each channel's mean over the image. ``noisy_linear``: imputed from the
        pixels that are left (`impute_linearly`), plus Gaussian noise of SD `NOISE_SD`.
    image : Tensor
        Shape (C, H, W), as the network reads it.
    seed : int
        Of the noise. There is one field of noise an image, so that what an image becomes depends
        on the removed pixels alone and every map is judged on the same images.

    Returns
    -------
    callable
        Removed pixels (S, H, W), bool, to images (S, C, H, W), dtype and device of `image`.
    """
    require_baseline(baseline)
    return _MAKERS[baseline](image, seed)


def _from_image(image: Tensor, other: Tensor) -> Fill:
    return lambda removed: torch.where(removed[:, None].to(image.device), other, image)


def _blur(image: Tensor, _seed: int) -> Fill:
    height, width = image.shape[-2:]
    sides = (width, height)
    from torchvision.transforms.functional import gaussian_blur

    # reflection at the border needs a kernel that reaches less far than the image
    reach = [min(math.ceil(3 * BLUR_SD * side), side - 1) for side in sides]
    sizes, sds = [2 * one + 1 for one in reach], [BLUR_SD * side for side in sides]
    return _from_image(image, gaussian_blur(image[None], sizes, sds)[0])


def _mean(image: Tensor, _seed: int) -> Fill:
    return _from_image(image, image.mean(dim=(1, 2), keepdim=True).expand_as(image))


def _noisy_linear(image: Tensor, seed: int) -> Fill:
    known = image.detach().double().cpu().numpy()
    noise = np.random.default_rng(seed).normal(0.0, NOISE_SD, known.shape)

    def fill(removed: Tensor) -> Tensor:
        filled = np.empty((len(removed), *known.shape))
        for index, missing in enumerate(removed.cpu().numpy()):
            filled[index] = impute_linearly(known, missing, tolerance=_TOLERANCE) + noise * missing
        return torch.from_numpy(filled).to(image)

    return fill


_MAKERS: dict[str, Callable[[Tensor, int], Fill]] = {
    "blur": _blur,
    "mean": _mean,
    "noisy_linear": _noisy_linear,
}
BASELINES: tuple[str, ...] = tuple(_MAKERS)
