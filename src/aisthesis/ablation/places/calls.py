"""Removal of places in one call, for those who do not keep a plan."""

from __future__ import annotations

import torch
from torch import nn

from aisthesis.ablation.kept_plans import kept_plan
from aisthesis.ablation.places.plan import PlacePlan, place_plan
from aisthesis.ablation.places.windows import Window
from aisthesis.ablation.request import MEMORY_BYTES
from aisthesis.errors import RequestError

__all__ = ["ablate_places"]


def ablate_places(
    model: nn.Module,
    layer: str,
    x: torch.Tensor,
    *,
    window: Window = 1,
    replace: str = "zero",
    memory_bytes: int = MEMORY_BYTES,
    channel_axis: int | None = None,
    grid: tuple[int, int] | None = None,
    plan: PlacePlan | None = None,
) -> torch.Tensor:
    """Output of a network with each place of a layer removed, in all channels at once.

    A plan's result also gives the intact output and the exact differences; subtracting here
    loses what lies below the rounding of the prediction.

    Parameters
    ----------
    model : Module
        Network giving one number, or K numbers, per image: (N,) or (N, K). It runs in evaluation
        mode and is given back as it was.
    layer : str
        Dotted path of the layer in `model`.
    x : (N, ...)
        Images as the network takes them, on its device.
    window : int or "auto"
        Side of the square of places removed together; see `place_plan`.
    replace : {"zero", "mean"}
        At a removed place every channel becomes zero, or its own mean over the image's places.
    memory_bytes
        Most memory in bytes to use beyond the forward pass.
    channel_axis, grid
        Layout of the layer's output, see `place_plan`.
    plan : PlacePlan, optional
        Plan for this network and layer, whose window counts. By default one is made, and kept
        weakly for later calls as by `run_ablation`.

    Returns
    -------
    (N, h, w) or (N, h, w, K)
        Predictions, float64.

    Raises
    ------
    RequestError
        If the layer, an argument, the plan or the network's output is unfit.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> ais.ablate_places(network, "0", images, window=3).shape
    torch.Size([2, 14, 14, 1])
    """
    if plan is None:
        plan = kept_plan(
            model,
            ("places", layer, repr((window, channel_axis, grid))),
            x,
            lambda: place_plan(
                model, layer, x, window=window, channel_axis=channel_axis, grid=grid
            ),
        )
    elif plan.model is not model or plan.layer != layer:
        raise RequestError(
            f"expected a plan for this network and {layer!r}, got one for {plan.layer!r} of "
            f"{'this' if plan.model is model else 'another'} network; make one with place_plan"
        )
    return plan(x, replace=replace, memory_bytes=memory_bytes).removed
