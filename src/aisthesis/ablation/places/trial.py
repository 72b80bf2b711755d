"""Is a plan for places right? Shown at some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from aisthesis.ablation.channels import find_layer
from aisthesis.ablation.request import MEMORY_BYTES
from aisthesis.ablation.tracing import Trace
from aisthesis.ablation.upstream import Upstream
from aisthesis.ablation.verification import Intact, Replacement, verified

if TYPE_CHECKING:
    from aisthesis.ablation.places.plan import PlacePlan

__all__ = ["agrees"]


def agrees(
    plan: PlacePlan,
    traced: Trace,
    sample: torch.Tensor,
    intact: Intact | None = None,
    shown: Upstream | None = None,
) -> bool:
    """Whether the network's own code shows that the plan is right at some places.

    With what lies before the layer `shown`, the graph stands for the code.
    """
    layer = find_layer(plan.model, plan.layer)
    height, width = plan.shape
    count = height * width
    places = np.unique([0, width // 2, count // 3, (height // 2) * width + width // 2, count - 1])
    grid = plan._ways[sample.shape, sample.dtype].grid

    def fast(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        before = shown if x is sample else None
        found = plan._remove(x, places, "zero", MEMORY_BYTES, before)
        return found.output, found.delta

    def without(together: np.ndarray) -> Replacement:
        def replacement(activation: torch.Tensor) -> torch.Tensor:
            named = torch.as_tensor(np.append(False, together), device=activation.device)
            removed = grid.without_places(activation, "zero")
            return torch.where(named[grid.labels(activation.device)], removed, activation)

        return replacement

    removals = [without(together) for together in grid.windows(plan.window)[places]]
    return verified(
        fast, traced, plan.model, layer, sample, removals,
        intact=intact, upstream=shown, graph_is_known=shown is not None,
    )  # fmt: skip
