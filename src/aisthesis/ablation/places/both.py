"""Channels and places of one layer removed from the same images, with one forward pass."""

from __future__ import annotations

import torch

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.channels import find_layer
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.places.ablation import PlaceAblation
from aisthesis.ablation.places.plan import PlacePlan
from aisthesis.ablation.plan import AblationPlan
from aisthesis.ablation.request import MEMORY_BYTES, check_request
from aisthesis.ablation.upstream import Upstream, run_upstream
from aisthesis.memory import LESS_AT_ONCE, plain_memory_errors

__all__ = ["remove_both"]


def remove_both(
    channels: AblationPlan,
    places: PlacePlan,
    x: torch.Tensor,
    *,
    replace: str = "zero",
    memory_bytes: int = MEMORY_BYTES,
    upstream: Upstream | None = None,
) -> tuple[Ablation, PlaceAblation]:
    """Remove every channel, and every place, from every image.

    What lies before the layer runs once where `places` was made `beside` `channels`, and for each
    plan otherwise.

    Parameters
    ----------
    channels, places
        Plans for one layer of one network.
    x : (N, ...)
        Images as the network takes them, on its device.
    replace : {"zero", "mean"}
        What removed places become; removed channels become zero.
    memory_bytes
        Most memory in bytes to use beyond the forward pass.
    upstream
        What lies before the layer, of these images, if an earlier pass has given it (`resumed`);
        of `x` only the shape, type and device are looked at then.

    Raises
    ------
    RequestError
        As the plans do.
    """
    way = channels.way_of(x)
    if way is None or way.traced is None or not places.shares(way.traced):
        return (
            channels(x, memory_bytes=memory_bytes),
            places(x, replace=replace, memory_bytes=memory_bytes),
        )
    check_request(x, replace, memory_bytes)
    layer = find_layer(channels.model, channels.layer)
    x = x.detach()
    x = x.clone() if x.is_inference() else x
    told = plain_memory_errors("removing channels and places", LESS_AT_ONCE)
    with borrowed(channels.model, way.keeps), told:
        if upstream is None:
            new = channels.is_new(x) or places.is_new(x)
            upstream = run_upstream(way.traced, x, watch=new)
        return (
            channels._remove(x, layer, way, None, "zero", memory_bytes, upstream),
            places._remove(x, None, replace, memory_bytes, upstream),
        )
