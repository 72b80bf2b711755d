"""A network cut at its layer: one pass gives the output, and all that a later pass starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from aisthesis.ablation.channels import find_layer
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.owners import run_operation
from aisthesis.ablation.prepare import Prepared, follow_warm
from aisthesis.ablation.tracing import Trace
from aisthesis.ablation.upstream import Upstream, node_module, run_upstream

__all__ = ["Cut", "cut_at", "resumed"]

Carried = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Cut:
    """A network and its graph, cut at a layer.

    Attributes
    ----------
    model : Module
    traced : Trace
        Its graph, which gives the very values of the network's own code.
    bytes_an_image : int
        What crosses the cut of one image.
    """

    model: nn.Module
    traced: Trace
    bytes_an_image: int = 0

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, Carried]:
        """Give the network's output, and by name every value that crosses the cut, (N, ...).

        Parameters
        ----------
        x : (N, ...)
            Images as the network takes them, on its device.
        """
        with borrowed(self.model):
            upstream = run_upstream(self.traced, x.detach(), watch=False)
            # Copies: what follows may overwrite them, as an in-place ReLU does.
            carried = {n.name: upstream.values[n].clone() for n in self.traced.carried}
            return _rest(self.traced, upstream.values), carried


def cut_at(model: nn.Module, layer: str, sample: torch.Tensor) -> Cut | None:
    """Cut a network at a layer; None where its graph does not give the very same output.

    Parameters
    ----------
    model : Module
        Gives (N, ...) for N images.
    layer : str
        Dotted path of the layer.
    sample : (N, ...)
        Images to try it on.
    """
    module = find_layer(model, layer)
    with borrowed(model, "all"):
        own = model(sample)
        traced = follow_warm(model, module)
    # What code makes at its first pass belongs to one batch: such networks go their own way.
    if isinstance(traced, str) or traced.made:
        return None
    cut = Cut(model, traced)
    try:
        output, carried = cut(sample)
    except Exception:  # noqa: BLE001  a graph that cannot be run is no cut
        return None
    each = all(_is_of_each_image(value, len(sample)) for value in carried.values())
    if not each or not torch.equal(output, own):
        return None
    return replace(cut, bytes_an_image=sum(v.nbytes // len(v) for v in carried.values()))


def resumed(way: Prepared, carried: Mapping[str, torch.Tensor]) -> Upstream | None:
    """What lies before the layer, from an earlier pass over the same images.

    Parameters
    ----------
    way : Prepared
        How the network is gone through.
    carried : mapping
        What `Cut` gave for these images.

    Returns
    -------
    Upstream or None
        None where the way does not start from just these values.
    """
    if way.traced is None or way.analysis is None:
        return None
    if carried.keys() != {node.name for node in way.traced.carried}:
        return None
    target = carried[way.traced.target.name]
    upstream = run_upstream(way.traced, target, watch=False, kept=carried)
    # What a watched pass finds was found on the sample: the work grows with the images, and where
    # overwriting did harm there was no way through the graph.
    images = len(target) / way.analysis.shape[0]
    flops, entries = way.analysis.upstream_work
    upstream.work = [(round(flops * images), round(entries * images))]
    return upstream


def _is_of_each_image(value: Any, images: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 1 and len(value) == images


def _rest(traced: Trace, values: dict[fx.Node, Any]) -> Any:
    """Run what follows the layer, letting go of each value after its last reader."""
    last = {other: node for node in traced.after for other in node.all_input_nodes}
    for node in traced.after:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        values[node] = run_operation(node, node_module(traced, node), args, kwargs)
        for other in node.all_input_nodes:
            if last[other] is node and other is not traced.output:
                values.pop(other, None)
    return values[traced.output]
