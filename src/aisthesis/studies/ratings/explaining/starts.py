"""What the batches of a chunk start from: photographs, or what an earlier pass has kept of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.ablation.cut import resumed
from aisthesis.ablation.upstream import Upstream
from aisthesis.backbones import Backbone
from aisthesis.execution.jobs import Chunk
from aisthesis.studies.ratings.explaining.kept_activations import kept_activations
from aisthesis.studies.shared.ablation_plans import Plans
from aisthesis.studies.shared.network import NetworkSpec, pixels_of

__all__ = ["Carried", "kept_outputs", "starts_of", "upstream_of"]

Carried = dict[str, torch.Tensor]
Start = tuple[torch.Tensor, NDArray[np.float64], Carried | None]


def starts_of(spec: NetworkSpec, backbone: Backbone, plans: Plans, chunk: Chunk) -> Iterator[Start]:
    """Give pixels, ratings and, if they were kept, the values at the layer, batch by batch.

    With kept values no photograph is read, and the pixels are blank: only their shape counts.
    """
    blank = torch.zeros(1, device=backbone.device).expand(
        min(spec.batch_size, len(chunk.names)), 3, *backbone.input_size_px
    )
    held = _held(spec, backbone, plans, chunk, blank)
    if held is None:
        for pixels, ratings in pixels_of(spec, backbone.transform, chunk):
            yield pixels, ratings, None
        return
    ratings = np.array(chunk.ratings, dtype=np.float64)
    for start in range(0, len(ratings), spec.batch_size):
        some = slice(start, start + spec.batch_size)
        carried = {name: values[some].to(backbone.device) for name, values in held.items()}
        yield blank[: len(ratings[some])], ratings[some], carried


def kept_outputs(
    spec: NetworkSpec, backbone: Backbone, plans: Plans, chunk: Chunk
) -> torch.Tensor | None:
    """The layer's output for a chunk, as it was kept; None where it was not."""
    blank = torch.zeros(1, device=backbone.device).expand(1, 3, *backbone.input_size_px)
    held = _held(spec, backbone, plans, chunk, blank)
    way = plans.channels.way_of(blank)
    return held[way.traced.target.name] if held and way and way.traced else None


def _held(
    spec: NetworkSpec, backbone: Backbone, plans: Plans, chunk: Chunk, pixels: torch.Tensor
) -> Carried | None:
    """What was kept of a chunk; None where there is nothing, or the plans do not start there."""
    held = kept_activations(spec.root, backbone).read(chunk.digests)
    return held if held is not None and upstream_of(plans, pixels, held) is not None else None


def upstream_of(plans: Plans, pixels: torch.Tensor, carried: Carried) -> Upstream | None:
    """What lies before the layer, for both plans; None where they do not start from it."""
    way = plans.channels.way_of(pixels)
    if way is None or way.traced is None or not plans.places.shares(way.traced):
        return None
    return resumed(way, carried)
