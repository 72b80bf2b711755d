"""Metrics of pixels between every two maps of two stacks, by products of matrices.

Of n maps there are n^2 comparisons. Ranks and tops are compared exactly, as products over the
pixels; EMD on the means of equal parts of the sorted pixels; SSIM in windows evenly spread over
the grid, and as between any two maps, in all windows, where the maps are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from aisthesis.agreement.ranks import sorted_pixels, standard_ranks, top_pixels
from aisthesis.agreement.stack import MapStack
from aisthesis.agreement.structure import GAUSSIAN, K1, K2, UNIFORM, Window, ssim

__all__ = ["cross_emd", "cross_spearman", "cross_ssim", "cross_ssim_gaussian", "cross_top10_iou"]

#: Parts of the sorted pixels; a part holds 49 of 224 x 224.
EMD_PARTS = 1024
#: Windows times comparisons up to which every window is taken.
SSIM_EXACT = 12_000_000
#: And how many there are to be of more comparisons, within the least and most along an axis.
SSIM_AT_MOST = 20_000_000
SSIM_FEWEST, SSIM_MOST = 20, 56
#: Values of one kind that are computed together: few enough for the processor's cache.
CACHED = 1 << 16
#: Maps that one is compared with at a time where every window is taken.
FEW = 4
#: Maps whose pixels are held at a time.
MAPS_AT_ONCE = 16


def cross_spearman(a: MapStack, b: MapStack) -> Tensor:
    """Spearman's rho over pixels of every two maps: (N_a, N_b), -1 to 1."""
    ranks_a, ranks_b = a.once(_ranks), b.once(_ranks)
    return (ranks_a @ ranks_b.mT / ranks_a.shape[1]).double().clamp(-1, 1)


def cross_top10_iou(a: MapStack, b: MapStack) -> Tensor:
    """Overlap of the top tenths of every two maps: (N_a, N_b), 0 to 1."""
    top_a, top_b = a.once(_tops), b.once(_tops)
    both = (top_a @ top_b.mT).double()
    return both / (top_a.sum(dim=1).double()[:, None] + top_b.sum(dim=1).double() - both)


def cross_emd(a: MapStack, b: MapStack) -> Tensor:
    """1-D Wasserstein distance between the pixel values of every two maps: (N_a, N_b)."""
    (parts_a, weight), (parts_b, _) = a.once(_sorted_parts), b.once(_sorted_parts)
    device, weight = a.small.device, weight[0] if len(weight) else weight
    if device.type != "cpu":
        return torch.cdist(parts_a * weight, parts_b * weight, p=1).double()
    from scipy.spatial.distance import cdist  # loads much else

    return torch.from_numpy(
        cdist((parts_a * weight).numpy(), (parts_b * weight).numpy(), "cityblock")
    )


def cross_ssim(a: MapStack, b: MapStack, window: Window = UNIFORM) -> Tensor:
    """Mean structural similarity of every two maps: (N_a, N_b), -1 to 1."""
    windows = a.size_px - len(window.weights) + 1
    if len(a) * len(b) * windows**2 <= SSIM_EXACT:
        return _ssim_each(a, b, window)
    least_a, most_a = a.once(_extremes)
    least_b, most_b = b.once(_extremes)
    joint = torch.maximum(most_a[:, None], most_b) - torch.minimum(least_a[:, None], least_b)
    c1, c2 = (K1 * joint).square().float(), (K2 * joint).square().float()
    window.matrix(a.size_px)  # refuses a grid that is smaller than the window
    along = _along(windows, len(a) * len(b))
    spread = _spread(window, along, windows)
    of_a, of_b = (tuple(part.movedim(0, 1) for part in one.once(spread.taken)) for one in (a, b))
    total = torch.zeros(len(a), len(b), dtype=torch.float64, device=a.small.device)
    at_once = max(1, CACHED // max(1, len(a) * len(b)))
    for start in range(0, along**2, at_once):
        some = slice(start, start + at_once)
        similar = _similarity([x[some] for x in of_a], [x[some] for x in of_b], c1, c2)
        total += similar.sum(dim=0)
    return total / along**2


def _ssim_each(a: MapStack, b: MapStack, window: Window) -> Tensor:
    """SSIM of each map of one stack with those of another, in all windows: (N_a, N_b)."""
    a.once(window.moments), b.once(window.moments)  # derived once, and only taken below
    few = [b.take(slice(start, start + FEW)) for start in range(0, len(b), FEW)]
    each = [a.take(slice(i, i + 1)) for i in range(len(a))]
    return torch.stack([torch.cat([ssim(one, some, window) for some in few]) for one in each])


def _along(windows: int, comparisons: int) -> int:
    """How many of the windows along an axis are taken."""
    wanted = round((SSIM_AT_MOST / comparisons) ** 0.5)
    return min(windows, max(SSIM_FEWEST, min(wanted, SSIM_MOST)))


def cross_ssim_gaussian(a: MapStack, b: MapStack) -> Tensor:
    """Structural similarity with the Gaussian window of every two maps: (N_a, N_b)."""
    return cross_ssim(a, b, GAUSSIAN)


@dataclass(frozen=True)
class _Spread:
    """Windows evenly spread over the grid: `along` of its `windows` along each axis."""

    window: Window
    along: int
    windows: int

    def taken(self, stack: MapStack) -> tuple[Tensor, ...]:
        """Means, variances (N, taken) and deviations (N, taken, pixels), images second in memory.

        Row by row of windows, from pixels in double precision.
        """
        side, n = len(self.window.weights), len(stack)
        spread = (np.arange(self.along) + 0.5) * self.windows / self.along
        starts = torch.as_tensor(spread.astype(int))
        weights = torch.tensor(self.window.weights, dtype=torch.float64)
        weights = torch.outer(weights, weights).flatten().to(stack.small.device).float()
        scale = (weights * self.window.covariance_factor).sqrt()
        deviations = weights.new_empty(self.along, self.along, n, side**2)
        mean, variance = weights.new_empty(2, self.along, self.along, n)
        for number, row in enumerate(starts.tolist()):
            patches = _strip(stack, row, side).unfold(2, side, 1)[:, :, starts]
            patches = patches.permute(2, 0, 1, 3).flatten(2)  # (windows, N, pixels)
            mean[number] = patches @ weights
            patches.sub_(mean[number][..., None]).mul_(scale)
            deviations[number] = patches
            variance[number] = patches.square_().sum(dim=2)
        parts = (part.flatten(0, 1).movedim(1, 0) for part in (mean, variance, deviations))
        return tuple(parts)


@lru_cache(maxsize=8)
def _spread(window: Window, along: int, windows: int) -> _Spread:
    """Give the same object for the same windows: stacks know by it what they have derived."""
    return _Spread(window, along, windows)


def _strip(stack: MapStack, row: int, rows: int) -> Tensor:
    """Rows of pixels from a row on: (N, rows, size_px), float32."""
    if stack.is_pixels:
        return stack.small[:, row : row + rows].float()
    along_y, along_x = (axis.matrix(stack.size_px).to(stack.small) for axis in stack.axes)
    return (along_y[row : row + rows] @ stack.small @ along_x.mT).float()


def _similarity(a: Sequence[Tensor], b: Sequence[Tensor], c1: Tensor, c2: Tensor) -> Tensor:
    """SSIM of every two maps in each window: (windows, N_a, N_b)."""
    (mean_a, variance_a, of_a), (mean_b, variance_b, of_b) = a, b
    similarity = torch.baddbmm(c2, of_a, of_b.mT, alpha=2)
    mean_a, mean_b = mean_a[:, :, None], mean_b[:, None, :]
    luminance = torch.addcmul(c1, mean_a, mean_b, value=2)
    similarity.mul_(luminance)
    difference = mean_a - mean_b
    luminance.addcmul_(difference, difference)
    contrast = torch.add(variance_a[:, :, None], variance_b[:, None, :], out=difference).add_(c2)
    return similarity.div_(luminance.mul_(contrast))


def _in_pieces(stack: MapStack, build: Callable[[MapStack], Tensor]) -> Tensor:
    """Build of a few maps at a time, so that their pixels are not all held."""
    pieces = range(0, max(1, len(stack)), MAPS_AT_ONCE)
    alone = [
        MapStack(stack.small[part], stack.undefined[part], stack.size_px, stack.axes)
        for part in (slice(start, start + MAPS_AT_ONCE) for start in pieces)
    ]
    return torch.cat([build(one) for one in alone])


def _ranks(stack: MapStack) -> Tensor:
    return _in_pieces(stack, standard_ranks)


def _tops(stack: MapStack) -> Tensor:
    return _in_pieces(stack, top_pixels).float()


def _sorted_parts(stack: MapStack) -> tuple[Tensor, Tensor]:
    """Mean of each part of the sorted pixels, and the share of the pixels in it: (N, parts)."""
    pixels = stack.size_px**2
    edges = np.linspace(0, pixels, min(EMD_PARTS, pixels) + 1).astype(int)
    lengths = np.diff(edges)

    def means(few: MapStack) -> Tensor:
        sums = np.add.reduceat(sorted_pixels(few).double().cpu().numpy(), edges[:-1], axis=1)
        return torch.from_numpy(sums / lengths).to(stack.small.device)

    weight = torch.from_numpy(lengths / pixels).to(stack.small.device)
    return _in_pieces(stack, means), weight.expand(len(stack), -1)


def _extremes(stack: MapStack) -> tuple[Tensor, Tensor]:
    """Least and largest pixel of each map, (N,) each."""
    ends = _in_pieces(
        stack,
        lambda few: torch.stack([f(few.pixels(), (1, 2)) for f in (torch.amin, torch.amax)], 1),
    )
    return ends[:, 0], ends[:, 1]
