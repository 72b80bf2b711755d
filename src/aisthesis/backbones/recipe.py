"""How a named network is made: the face that torchvision's and timm's networks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from aisthesis.backbones.weights import WeightsFile
from aisthesis.errors import RequestError
from aisthesis.images import Transform

__all__ = ["Network", "Recipe", "scaled_px"]

MIN_INPUT_PX, MAX_INPUT_PX = 32, 2048


@dataclass(frozen=True)
class Network:
    """A network without its classifier.

    Parameters
    ----------
    module : torch.nn.Module
        Gives embeddings (N, D) for images (N, 3, H, W).
    dropped : tuple of str
        Paths of what was taken off, whose weights in a file are passed over.
    """

    module: nn.Module
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Everything that a name stands for, before any weights are read.

    Parameters
    ----------
    name : str
        As the user writes it.
    network : str
        Library and architecture, for instance "torchvision resnet152".
    build : callable
        Gives a fresh, randomly initialised `Network`.
    transform : Transform
        The transform of the official weights, at the input size asked for.
    layer : str
        Dotted path, "deepest" or "none".
    official : WeightsFile or None
        The official file, where there is one.
    cached : callable, optional
        Finds the official file in a cache of its own; None where it has none.
    builds_on_meta : bool
        Whether `build` may run on the meta device, where nothing is initialised.
    """

    name: str
    network: str
    build: Callable[[], Network]
    transform: Transform
    layer: str
    official: WeightsFile | None
    cached: Callable[[], Path | None] = lambda: None
    builds_on_meta: bool = True


def scaled_px(resize_px: int, crop_px: int, input_px: int | None) -> tuple[int, int]:
    """Scale a transform's two sizes so that its crop becomes `input_px`.

    Returns
    -------
    tuple of int
        Resize and crop, pixels; both as they are if `input_px` is None.

    Raises
    ------
    RequestError
        If `input_px` is not a whole number from 32 to 2048.
    """
    if input_px is None:
        return resize_px, crop_px
    whole = isinstance(input_px, int) and not isinstance(input_px, bool)
    if not whole or not MIN_INPUT_PX <= input_px <= MAX_INPUT_PX:
        raise RequestError(
            f"input_px should be a whole number from {MIN_INPUT_PX} to {MAX_INPUT_PX}, "
            f"but it is {input_px!r}"
        )
    return resize_px * input_px // crop_px, input_px
