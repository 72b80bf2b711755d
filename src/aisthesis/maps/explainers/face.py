"""The one face of all explainers: a rating model and images in, one signed map per image out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from aisthesis.errors import RequestError

__all__ = [
    "Explainer",
    "Subject",
    "grad_enabled_copy",
    "on_cells",
    "optional",
    "require_predictions",
]


@dataclass(frozen=True)
class Subject:
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
    input_px : int
        Side of the images.
    map_px : (int, int)
        Rows and columns of the layer's map.
    plans : dict
        What an explainer keeps from one batch to the next; each under its own name.
    """

    model: nn.Module
    layer: str
    to_map: Callable[[Tensor], Tensor]
    input_px: int
    map_px: tuple[int, int]
    plans: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


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

    def grid(self, subject: Subject) -> tuple[int, int]:
        """Rows and columns of the maps."""
        ...

    def passes(self, subject: Subject) -> float:
        """Expected cost of one image in forward passes; a backward pass counts as two."""
        ...

    def __call__(
        self,
        subject: Subject,
        images: Tensor,
        *,
        seeds: list[int],
        advance: Callable[[float], None],
    ) -> Tensor:
        """Make the maps (N, rows, columns) of images (N, 3, H, W).

        `seeds` holds one number an image, for what is drawn at random; `advance` is told the
        share of an image that was just done, as often as there is something to tell.
        """
        ...


def on_cells(pixels: Tensor, cells: int) -> Tensor:
    """Average maps (N, H, W) over the areas of `cells` x `cells` cells, at most one a pixel."""
    height, width = pixels.shape[-2:]
    size = (min(cells, height), min(cells, width))
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
