r"""Structural similarity, its windows evaluated on the small maps.

A window's mean is separable, ``(F U_y) M (F U_x)^T`` with the filter F of one axis. The covariance
of two maps in a window is a sum over pairs of their cells, and its weight splits by axis:

``E[ab] - E[a]E[b] = sum over (i,j),(k,l) of [C_y W_x + P_y C_x] A_ik B_jl``

where, for each axis, W is the window's mean of the product of two cells' interpolation weights, P
the product of their means and C = W - P their covariance. Nothing large is subtracted from
anything large, so single precision suffices; and only cells that share a window matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from aisthesis.agreement.axis import Axis
from aisthesis.agreement.stack import MapStack
from aisthesis.errors import RequestError

__all__ = ["GAUSSIAN", "UNIFORM", "Window", "ssim", "ssim_gaussian"]

K1, K2 = 0.01, 0.03
#: Pairs of cells along one axis above which windows over the pixels cost less.
MOST_CELL_PAIRS = 160
#: And cells along an axis.
MOST_CELLS = 64


@dataclass(frozen=True)
class Window:
    """A separable window of SSIM.

    Attributes
    ----------
    weights
        Weights along one axis, of odd number, summing to one.
    sample_covariance
        Divide by one less than the number of pixels in the window.
    """

    weights: tuple[float, ...]
    sample_covariance: bool

    @property
    def covariance_factor(self) -> float:
        """What turns the windowed population covariance into the one wanted."""
        n = len(self.weights) ** 2
        return n / (n - 1) if self.sample_covariance else 1.0

    def matrix(self, n: int) -> Tensor:
        """Filter of one axis where the window fits: (n - len(weights) + 1, n), float64."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        rows = n - len(weights) + 1
        if rows < 1:
            raise RequestError(
                f"expected a grid of at least {len(weights)} pixels for the window of SSIM, "
                f"got {n}; compare at a larger size_px"
            )
        matrix = torch.zeros(rows, n, dtype=torch.float64)
        for offset, weight in enumerate(weights):
            matrix.diagonal(offset)[:rows] = weight
        return matrix

    def moments(self, stack: MapStack) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Per map: the windows' means and variances, the least and the largest pixel."""
        variance = _scaled_covariance(stack, stack, self, 1.0, stack.small.new_zeros(1).float())
        pixels = stack.pixels()
        ends = pixels.amin(dim=(1, 2)), pixels.amax(dim=(1, 2))
        if max(stack.native_size) > MOST_CELLS:
            return stack.once(self.pixel_means)[0].float(), variance, *ends
        along_y, along_x = (
            _means_of_cells(axis, stack.size_px, self).to(stack.small.device) for axis in stack.axes
        )
        mean = along_y @ stack.small.float() @ along_x.mT
        return mean, variance, *ends

    def means(self, pixels: Tensor) -> Tensor:
        """Weighted mean of each window that fits: (N, windows, windows)."""
        for axis in (1, 2):
            length = pixels.shape[axis] - len(self.weights) + 1
            mean = pixels.narrow(axis, 0, length) * self.weights[0]
            for start, weight in enumerate(self.weights[1:], start=1):
                mean.add_(pixels.narrow(axis, start, length), alpha=weight)
            pixels = mean
        return pixels

    def pixel_means(self, stack: MapStack) -> tuple[Tensor, Tensor]:
        """Means over the windows, and the pixels that they are of, in double precision."""
        pixels = stack.onto_cells(stack.size_px)
        return self.means(pixels), pixels


def _gaussian_weights(sigma: float, radius: int) -> tuple[float, ...]:
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return tuple((weights / weights.sum()).tolist())


#: scikit-image's default: 7 x 7 pixels of equal weight, sample covariance.
UNIFORM = Window((1 / 7,) * 7, sample_covariance=True)
#: Wang et al. (2004): 11 x 11 pixels, Gaussian of SD 1.5, population covariance.
GAUSSIAN = Window(_gaussian_weights(1.5, 5), sample_covariance=False)


def ssim(a: MapStack, b: MapStack, window: Window = UNIFORM) -> Tensor:
    """Mean structural similarity of two maps: (N,), -1 to 1. One map of `a` goes with each of `b`.

    The mean over all windows that lie within the grid of ``(2 m_a m_b + c1) (2 s_ab + c2) /
    ((m_a^2 + m_b^2 + c1) (s_a^2 + s_b^2 + c2))``, c1 = (.01 L)^2, c2 = (.03 L)^2, where L is the
    joint maximum minus the joint minimum of the two maps.

    References
    ----------
    Wang, Bovik, Sheikh & Simoncelli (2004), "Image quality assessment: from error visibility to
    structural similarity", IEEE Transactions on Image Processing 13(4), 600-612.
    """
    mean_a, variance_a, least_a, most_a = a.once(window.moments)
    mean_b, variance_b, least_b, most_b = b.once(window.moments)
    joint_range = torch.maximum(most_a, most_b) - torch.minimum(least_a, least_b)
    c1 = (K1 * joint_range).square()[:, None, None]
    c2 = (K2 * joint_range).square()[:, None, None]
    luminance = torch.addcmul(c1, mean_a, mean_b, value=2)
    difference = mean_a - mean_b
    similarity = _scaled_covariance(a, b, window, 2.0, c2).mul_(luminance)
    luminance.addcmul_(difference, difference)  # m_a^2 + m_b^2 + c1
    contrast = torch.add(variance_a, variance_b, out=difference).add_(c2)
    similarity.div_(contrast.mul_(luminance))
    return similarity.mean(dim=(1, 2)).double()


def ssim_gaussian(a: MapStack, b: MapStack) -> Tensor:
    """Mean structural similarity with the Gaussian window of Wang et al.: (N,), -1 to 1."""
    return ssim(a, b, GAUSSIAN)


def _scaled_covariance(
    a: MapStack, b: MapStack, window: Window, factor: float, plus: Tensor
) -> Tensor:
    """``factor * covariance + plus`` of two maps in every window: (N, windows, windows)."""
    factor *= window.covariance_factor
    if max(*a.native_size, *b.native_size) > MOST_CELLS:
        return _pixel_covariance(a, b, window).mul_(factor).add_(plus.reshape(-1, 1, 1))
    along_y, along_x = (
        _cell_pairs(one, other, a.size_px, window)
        for one, other in zip(a.axes, b.axes, strict=True)
    )
    if max(along_y.i.numel(), along_x.i.numel()) > MOST_CELL_PAIRS:
        return _pixel_covariance(a, b, window).mul_(factor).add_(plus)
    device = a.small.device
    cells_a = a.once(_CellsAt("i", a.axes, b.axes, window))
    products = cells_a * b.once(_CellsAt("j", a.axes, b.axes, window))  # (N, y, x) pairs
    right = torch.cat([products @ along_x.mean.to(device), products @ along_x.both.to(device)], 1)
    left = along_y.stacked.to(device).expand(len(products), -1, -1)
    return torch.baddbmm(plus.reshape(-1, 1, 1), left, right, alpha=factor)


@lru_cache(maxsize=256)
def _means_of_cells(axis: Axis, size_px: int, window: Window) -> Tensor:
    """Mean weight of each cell in each window along an axis: (windows, cells), float32."""
    return (window.matrix(size_px) @ axis.matrix(size_px)).float()


@dataclass(frozen=True)
class _CellPairs:
    """Cells i of one axis and j of another that share a window, and their weights there."""

    i: Tensor  # (pairs,)
    j: Tensor  # (pairs,)
    mean: Tensor  # (pairs, windows): W, mean product of the two cells' weights
    both: Tensor  # (pairs, windows): C, covariance of the two cells' weights
    stacked: Tensor  # (windows, 2 pairs): C beside P, product of the two cells' mean weights


@dataclass(frozen=True)
class _CellsAt:
    """Takes the cells i of maps on some axes, or j of their partners: derived once a stack."""

    side: Literal["i", "j"]
    axes: tuple[Axis, Axis]
    others: tuple[Axis, Axis]
    window: Window

    def __call__(self, stack: MapStack) -> Tensor:
        """(N, y pairs, x pairs), float32."""
        y, x = (
            getattr(_cell_pairs(own, other, stack.size_px, self.window), self.side)
            for own, other in zip(self.axes, self.others, strict=True)
        )
        place = (y[:, None] * stack.native_size[1] + x).flatten().to(stack.small.device)
        cells = stack.small.flatten(1).index_select(1, place).float()
        return cells.view(len(stack), len(y), len(x))


@lru_cache(maxsize=256)
def _cell_pairs(a: Axis, b: Axis, size_px: int, window: Window) -> _CellPairs:
    to_a, to_b = a.matrix(size_px), b.matrix(size_px)
    sums = window.matrix(size_px)  # (windows, pixels)
    mean_a, mean_b = sums @ to_a, sums @ to_b
    i, j = torch.nonzero(mean_a.mT @ mean_b, as_tuple=True)
    mean_product = sums @ (to_a[:, i] * to_b[:, j])
    product_of_means = mean_a[:, i] * mean_b[:, j]
    covariance = mean_product - product_of_means
    return _CellPairs(
        i,
        j,
        mean_product.mT.float().contiguous(),
        covariance.mT.float().contiguous(),
        torch.cat([covariance, product_of_means], dim=1).float().contiguous(),
    )


def _pixel_covariance(a: MapStack, b: MapStack, window: Window) -> Tensor:
    """Windowed population covariance over the pixels, for maps nearly as large as the grid."""
    window.matrix(a.size_px)  # refuses a grid that is smaller than the window
    (mean_a, pixels_a), (mean_b, pixels_b) = a.once(window.pixel_means), b.once(window.pixel_means)
    return torch.addcmul(window.means(pixels_a * pixels_b), mean_a, mean_b, value=-1).float()
