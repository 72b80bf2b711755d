"""Maps of similarity judgments by place: what a place does to how its image compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.importance import PlacePlan, place_plan
from aisthesis.importance.similarity import place_alignment

__all__ = ["embedding_place_plan", "place_alignment_maps"]

Array = NDArray[np.float64]


def embedding_place_plan(backbone: Backbone, sample: torch.Tensor) -> PlacePlan:
    """Find how the places of the backbone's layer are removed from its whole embedding."""
    layout = backbone.layout
    return place_plan(
        backbone.trunk,
        str(backbone.trunk_layer),
        sample,
        channel_axis=layout.channel_axis if layout else None,
        grid=(layout.height_map, layout.width_map) if layout else None,
    )


@torch.no_grad()
def place_alignment_maps(
    plan: PlacePlan,
    pixels: Callable[[], Iterator[torch.Tensor]],
    human: Array,
    measure: str,
    advance: Callable[[int], None] = lambda n: None,
) -> Array:
    """Alignment importance of every place of every image, (N, h, w).

    Two passes over the images: every image is compared with all others as they are.

    Parameters
    ----------
    plan : PlacePlan
        Of the network that gives the embeddings.
    pixels : callable
        Gives the N images, in batches on the network's device, afresh at each call.
    human : (N, N)
        Dissimilarities; NaN where a pair was not judged.
    measure : str
        Of the agreement of two rows.
    advance : callable
        Told how many images were just done, twice over.
    """
    embeddings = []
    for batch in pixels():
        embeddings.append(plan.model(batch).double().cpu().numpy())
        advance(len(batch))
    intact = np.concatenate(embeddings)
    maps: list[Array] = []
    for batch in pixels():
        without = plan(batch).removed.double().cpu().numpy()
        for own in without:
            rows, columns = own.shape[:2]
            scores = place_alignment(
                intact, human, len(maps), own.reshape(rows * columns, -1), measure=measure
            )
            maps.append(scores.reshape(rows, columns))
        advance(len(batch))
    return np.stack(maps)
