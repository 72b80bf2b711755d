"""The interface of explainers: a rating model and images in, one signed map per image out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from aisthesis.errors import RequestError
from aisthesis.names.explainer_table import EXPLAINER_TABLE

__all__ = [
    "Advance",
    "ExplainedNetwork",
    "Explainer",
    "Tabled",
    "cells_of",
    "grad_enabled_copy",
    "on_cells",
    "optional",
    "require_predictions",
]

#: Told the share of an image that was just done.
Advance = Callable[[float], None]


@dataclass(frozen=True)
class ExplainedNetwork:
    """The network that is explained.

    Attributes
    ----------
    model : Module
        Normalised images (N, 3, H, W) to one prediction each, (N,), in rating units; in
        evaluation mode.
    layer : str
        Dotted path in `model` of the layer that layer methods look at.
    to_map : callable
        The layer's output as (N, C, h, w).
    input_px : int or (int, int)
        Side of the square images, or their height and width.
    map_px : (int, int)
        Rows and columns of the layer's map.
    plans : dict
        What an explainer keeps from one batch to the next; each under its own name.
    """

    model: nn.Module
    layer: str
    to_map: Callable[[Tensor], Tensor]
    input_px: int | tuple[int, int]
    map_px: tuple[int, int]
    plans: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the images."""
        return (self.input_px, self.input_px) if isinstance(self.input_px, int) else self.input_px


class Explainer(Protocol):
    """A way to make a map of every image.

    Attributes
    ----------
    name : str
        In study files, tables and attributes.
    title : str
        In the report.
    words : str
        What its values are, in one sentence.
    signed : bool
        Whether negative values are evidence for a lower rating.
    control : bool
        Whether it knows nothing of the network.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def words(self) -> str: ...  # noqa: D102
    @property
    def signed(self) -> bool: ...  # noqa: D102
    @property
    def control(self) -> bool: ...  # noqa: D102

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """Rows and columns of the maps."""
        ...

    def passes(self, subject: ExplainedNetwork) -> float:
        """Expected cost of one image in forward passes; a backward pass counts as two."""
        ...

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Make the maps (N, rows, columns) of images (N, 3, H, W).

        `seeds` holds one number an image, for what is drawn at random; `advance` is told the
        share of an image that was just done, as often as there is something to tell.
        """
        ...


class Tabled:
    """What the table of explainers says of one of the package's own, which `kind` names."""

    kind: str

    @property
    def name(self) -> str:
        """In study files, tables and attributes."""
        return self.kind

    @property
    def title(self) -> str:
        """In the report."""
        return EXPLAINER_TABLE[self.kind].title

    @property
    def words(self) -> str:
        """What its values are."""
        return EXPLAINER_TABLE[self.kind].words

    @property
    def signed(self) -> bool:
        """Whether negative values are evidence for a lower rating."""
        return EXPLAINER_TABLE[self.kind].signed

    @property
    def control(self) -> bool:
        """Whether it knows nothing of the network."""
        return EXPLAINER_TABLE[self.kind].control

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """Rows and columns of the maps: the layer's, where a kind has none of its own."""
        return subject.map_px


def cells_of(cells: int, size_px: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of so many cells a side, at most one a pixel."""
    return min(cells, size_px[0]), min(cells, size_px[1])


def on_cells(pixels: Tensor, cells: int) -> Tensor:
    """Average maps (N, H, W) over the areas of `cells` x `cells` cells, at most one a pixel."""
    size = cells_of(cells, (pixels.shape[-2], pixels.shape[-1]))
    return nn.functional.adaptive_avg_pool2d(pixels[:, None], size)[:, 0]


def grad_enabled_copy(images: Tensor) -> Tensor:
    """Images that gradients flow to, on a copy: the caller's tensor is left as it is."""
    return images.detach().clone().requires_grad_(True)


def optional(module: str, explainer: str) -> Any:
    """Import a library of the `peers` extra.

    Raises
    ------
    RequestError
        If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        library = {"captum": "captum", "skimage": "scikit-image"}[module.split(".")[0]]
        raise RequestError(
            f"the explainer {explainer} needs {library}, which is not installed ({error}); "
            "install it with pip install 'aisthesis[peers]'"
        ) from error


def require_predictions(predictions: Tensor, n: int) -> None:
    """Refuse a model that does not give one number per image.

    Raises
    ------
    RequestError
        If the shape is another.
    """
    if predictions.shape != torch.Size([n]):
        raise RequestError(
            f"expected one prediction per image, shape ({n},), got {tuple(predictions.shape)}; "
            "average over the heads first"
        )
