"""Removal of channels in one call, for those who do not keep a plan."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.channels import ChannelSets
from aisthesis.ablation.kept_plans import kept_plan
from aisthesis.ablation.plan import MEMORY_BYTES, AblationPlan, ablation_plan
from aisthesis.errors import RequestError

__all__ = ["ablate", "retained_output", "run_ablation"]


def run_ablation(
    model: nn.Module,
    layer: str,
    x: torch.Tensor,
    *,
    groups: ChannelSets | None = None,
    replace: str = "zero",
    memory_bytes: int = MEMORY_BYTES,
    channel_axis: int | None = None,
    plan: AblationPlan | None = None,
) -> Ablation:
    """Remove each channel of a layer and give everything that one forward pass tells.

    Parameters
    ----------
    model : Module
        Network giving one number, or K numbers, per image: (N,) or (N, K). It runs in evaluation
        mode and is given back as it was.
    layer : str
        Dotted path of the layer in `model`.
    x : (N, ...)
        Images as the network takes them, on its device.
    groups : G sequences of channel numbers, or (G, C) bool, optional
        Channels to remove together; default each channel alone.
    replace : {"zero", "mean"}
        A removed channel of the layer's output becomes zero, or its own mean over the positions
        of the image (where it has one position, it keeps its value).
    memory_bytes
        Most memory in bytes to use beyond the forward pass.
    channel_axis : int, optional
        Axis of the layer's output that counts channels, see `ablation_plan`.
    plan : AblationPlan, optional
        Plan for this network and layer. By default one is made, and kept weakly for later calls
        with images of the same shape, type and device, until the network changes or goes.

    Returns
    -------
    Ablation
        Predictions f, their changes Δp and the layer's output.

    Raises
    ------
    RequestError
        If the layer, the groups, the plan or the network's output is unfit.
    """
    if plan is None:
        plan = _own_plan(model, layer, x, channel_axis)
    elif plan.model is not model or plan.layer != layer:
        raise RequestError(
            f"expected a plan for this network and {layer!r}, got one for {plan.layer!r} of "
            f"{'this' if plan.model is model else 'another'} network; make one with ablation_plan"
        )
    return plan(x, groups=groups, replace=replace, memory_bytes=memory_bytes)


def ablate(
    model: nn.Module,
    layer: str,
    x: torch.Tensor,
    *,
    groups: ChannelSets | None = None,
    replace: str = "zero",
    memory_bytes: int = MEMORY_BYTES,
    channel_axis: int | None = None,
    plan: AblationPlan | None = None,
) -> torch.Tensor:
    """Output of a network with each channel of a layer removed.

    Parameters are those of `run_ablation`, which also gives the intact output and the exact
    differences; subtracting here loses what lies below the rounding of the prediction.

    Returns
    -------
    (N, C) or (N, C, K)
        Predictions, float64; for `groups` (N, G) or (N, G, K).

    Raises
    ------
    RequestError
        If the layer, the groups, the plan or the network's output is unfit.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> ais.ablate(network, "0", images).shape
    torch.Size([2, 4, 1])
    """
    return run_ablation(
        model, layer, x, groups=groups, replace=replace, memory_bytes=memory_bytes,
        channel_axis=channel_axis, plan=plan,
    ).removed  # fmt: skip


def retained_output(
    model: nn.Module,
    layer: str,
    x: torch.Tensor,
    keep: Sequence[int] | torch.Tensor,
    *,
    replace: str = "zero",
    memory_bytes: int = MEMORY_BYTES,
    channel_axis: int | None = None,
    plan: AblationPlan | None = None,
) -> torch.Tensor:
    """Output of a network with all channels of a layer removed but one set.

    Parameters
    ----------
    keep : channel numbers
        Channels that stay. For many sets in one call use `AblationPlan.retain`.
    model, layer, x, replace, memory_bytes, channel_axis, plan
        As in `run_ablation`.

    Returns
    -------
    (N,) or (N, K)
        Predictions, float64.

    Raises
    ------
    RequestError
        If the layer, the channels, the plan or the network's output is unfit.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> every = ais.retained_output(network, "0", images, [0, 1, 2, 3])
    >>> torch.allclose(every, network(images).double(), atol=1e-6)
    True
    """
    if plan is None:
        plan = _own_plan(model, layer, x, channel_axis)
    numbers = keep.tolist() if isinstance(keep, torch.Tensor) else list(keep)
    return plan.retain(x, [numbers], replace=replace, memory_bytes=memory_bytes)[:, 0]


def _own_plan(
    model: nn.Module, layer: str, x: torch.Tensor, channel_axis: int | None
) -> AblationPlan:
    return kept_plan(
        model,
        ("channels", layer, repr(channel_axis)),
        x,
        lambda: ablation_plan(model, layer, x, channel_axis=channel_axis),
    )
