"""Drops of the prediction under squares of several sizes, planned by their expected cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from aisthesis.ablation.execution import check_output
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.sliding import Spans
from aisthesis.errors import RequestError
from aisthesis.explainers.occlusion.layout import Layout, cheapest_layout, whole_passes
from aisthesis.explainers.occlusion.local import LocalNetwork, local_network
from aisthesis.explainers.occlusion.running import intact_values, masked_images, run_tile
from aisthesis.explainers.occlusion.squares import squares_along

__all__ = ["MASKING_MEMORY_BYTES", "OcclusionPlan", "occlusion_plan"]

MASKING_MEMORY_BYTES = 512 * 2**20
#: Strides in shares of the image's side that are tried, finest first.
_STRIDE_SHARES = (1 / 56, 1 / 28, 1 / 14, 1 / 7)


@dataclass(frozen=True)
class OcclusionPlan:
    """Squares of several sizes over a grid of positions, and how their drops are computed.

    Call it with images (N, 3, H, W) of the planned shape.

    Attributes
    ----------
    model : Module
        Images to predictions (N,) or (N, K).
    sizes_px : tuple of int
        Sides of the squares.
    layouts : tuple of Layout
        One a size.
    network : LocalNetwork or None
        None where every masked image takes a whole forward pass.
    reason : str
        Why it does; empty otherwise.
    shape : (3, H, W)
        Of an image.
    """

    model: nn.Module = field(repr=False)
    sizes_px: tuple[int, ...]
    layouts: tuple[Layout, ...] = field(repr=False)
    network: LocalNetwork | None = field(repr=False)
    reason: str
    shape: tuple[int, int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """Positions along rows and columns: the shape of the maps."""
        return self.layouts[0].n

    @property
    def masked(self) -> int:
        """Masked images for each image."""
        return len(self.layouts) * self.grid[0] * self.grid[1]

    @property
    def passes(self) -> float:
        """Expected cost of one image in forward passes, the intact one included."""
        return 1 + sum(layout.passes for layout in self.layouts)

    def describe(self) -> str:
        """Say which way is taken, in one sentence."""
        sizes = ", ".join(map(str, self.sizes_px))
        rows, columns = self.grid
        start = f"squares of {sizes} px at {rows} x {columns} positions"
        if self.network is None:
            return f"{start}: one forward pass each, as {self.reason}."
        if len(self.network.steps) == 1:
            return f"{start}: one forward pass each, as {self.network.ends_at} takes whole images."
        if not any(layout.cut > 1 for layout in self.layouts):
            return f"{start}: one forward pass each, as windows would cost more."
        calls = " / ".join(str(layout.cut) for layout in self.layouts)
        return (
            f"{start}: only windows of the first {calls} of {len(self.network.nodes)} operations "
            f"are computed again; {self.masked} masked images cost as much as "
            f"{self.passes:.0f} forward passes."
        )

    def __call__(
        self,
        images: Tensor,
        *,
        fill: float | Tensor = 0.0,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Tensor:
        """Compute how far the prediction drops under every square.

        Parameters
        ----------
        images : (N, 3, H, W)
            Normalised images on the network's device.
        fill : float, (3,) or (N, 3)
            Colour of the squares in normalised units; 0 is the mean colour of the images that the
            network was trained on.
        advance : callable
            Told how many masked images were just run.

        Returns
        -------
        (S, N, rows, columns) or (S, N, rows, columns, K)
            ``f(image) - f(masked image)`` for each of the S sizes: positive where what the square
            covers raises the prediction.

        Raises
        ------
        RequestError
            If the images have another shape.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            raise RequestError(
                f"expected images of shape (N, {', '.join(map(str, self.shape))}), got "
                f"{tuple(images.shape)}; make a plan for this shape"
            )
        colours = torch.as_tensor(fill, dtype=images.dtype, device=images.device)
        colours = colours.expand(len(images), images.shape[1])
        with borrowed(self.model):
            by_image = [
                self._one(image[None], colour, advance)
                for image, colour in zip(images, colours, strict=True)
            ]
        return torch.stack(by_image, dim=1)

    def _one(self, image: Tensor, fill: Tensor, advance: Callable[[int], None]) -> Tensor:
        """Drops (S, rows, columns, ...) of one image (1, 3, H, W)."""
        prediction = self.model(image)
        check_output(prediction, 1)
        cuts = {layout.cut for layout in self.layouts if layout.cut}
        intact = intact_values(self.network, image, cuts) if self.network and cuts else None
        sizes = []
        for layout in self.layouts:
            drops = prediction.new_empty(*layout.n, *prediction.shape[1:])
            for tile in layout.tiles:
                if intact is None or self.network is None or not layout.cut:
                    masked = self.model(masked_images(image, layout, tile, fill))
                else:
                    masked = run_tile(self.network, layout, tile, intact, fill)
                rows, columns = torch.from_numpy(tile.rows), torch.from_numpy(tile.columns)
                shape = (len(rows), len(columns))
                drops[rows[:, None], columns[None, :]] = (prediction - masked).unflatten(0, shape)
                advance(tile.size)
            sizes.append(drops)
        return torch.stack(sizes)


def occlusion_plan(
    model: nn.Module,
    shape: Sequence[int],
    sizes_px: Sequence[int],
    *,
    stride_px: float | None = None,
    most_passes: float = 200.0,
    memory_bytes: int = MASKING_MEMORY_BYTES,
) -> OcclusionPlan:
    """Plan the masking of squares over a grid of positions.

    A masked image differs from the intact one in a square only, and so do the values that
    convolutions and pools make of it: only a window of each is computed again, cut from the intact
    values and pasted into them, until windows would cost more than whole values. How many
    operations that are, and how many masked images are run together, is chosen by expected cost.
    The results are those of one forward pass per masked image, but for rounding.

    Parameters
    ----------
    model : Module
        Normalised images (N, 3, H, W) to predictions (N,) or (N, K). It runs in evaluation mode
        and is given back as it was.
    shape : (3, H, W)
        Of the images.
    sizes_px : sequence of int
        Sides of the squares.
    stride_px : float, optional
        Distance of the squares' centres. By default the finest of 1/56, 1/28, 1/14 and 1/7 of the
        side whose expected cost is at most `most_passes`.
    most_passes : float
        Cost in forward passes an image that the default stride keeps to where it can.
    memory_bytes : int
        Most memory for the values of masked images that are run together.

    Returns
    -------
    OcclusionPlan

    Raises
    ------
    RequestError
        If sizes or stride do not fit the image, or the network's output is unfit.
    """
    channels, height, width = (int(n) for n in shape)
    if not sizes_px or len(set(sizes_px)) != len(sizes_px):
        raise RequestError(
            f"expected different sizes of squares, got {list(sizes_px)}; name each once"
        )
    first = next(iter(model.parameters()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(1, channels, height, width, generator=generator)
    sample = sample.to(first.device, first.dtype)
    with borrowed(model):
        check_output(model(sample), 1)
        found = local_network(model, sample)
    network = None if isinstance(found, str) else found
    reason = found if isinstance(found, str) else ""
    side = min(height, width)
    strides = [stride_px] if stride_px else [max(1.0, side * share) for share in _STRIDE_SHARES]
    for stride in strides:
        squares = [(squares_along(height, s, stride), squares_along(width, s, stride))
                   for s in sizes_px]  # fmt: skip
        layouts = tuple(_layout(network, rows, columns, memory_bytes) for rows, columns in squares)
        plan = OcclusionPlan(
            model, tuple(sizes_px), layouts, network, reason, (channels, height, width)
        )
        if plan.passes <= most_passes:
            break
    return plan


def _layout(network: LocalNetwork | None, rows: Spans, columns: Spans, memory_bytes: int) -> Layout:
    if network is None:
        return whole_passes(rows, columns)
    return cheapest_layout(network, rows, columns, memory_bytes)
