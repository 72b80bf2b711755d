"""Maps of similarity judgments by place: what a place does to how its image compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.ablation.places.plan import PlacePlan, place_plan
from aisthesis.backbones import Backbone
from aisthesis.config import PlacesConfig
from aisthesis.images import ImageFolder
from aisthesis.importance.similarity import pair_places, place_alignment, place_triplets
from aisthesis.judgments.similarity.triplet_shares import Choices
from aisthesis.studies.shared.ablation_plans import sample_pixels

__all__ = ["PlaceMaps", "embedding_place_plan", "removal_record"]

Array = NDArray[np.float64]


def embedding_place_plan(
    backbone: Backbone, window: Literal[1, 3, 5, "auto"] = "auto", folder: ImageFolder | None = None
) -> PlacePlan:
    """Find how the places of the backbone's layer are removed from its whole embedding."""
    layout = backbone.layout
    return place_plan(
        backbone.trunk,
        str(backbone.trunk_layer),
        sample_pixels(backbone, folder),
        window=window,
        channel_axis=layout.channel_axis if layout else None,
        grid=(layout.height_map, layout.width_map) if layout else None,
    )


def removal_record(plan: PlacePlan, places: PlacesConfig) -> dict[str, Any]:
    """How places are removed, for provenance."""
    return {
        "plan": plan.describe().replace("module.", ""),
        "forward_passes": plan.passes,
        "window": plan.window,
        "replace": places.replace,
    }


@dataclass(frozen=True)
class PlaceMaps:
    """Maps by place of one backbone's images, batch by batch.

    Parameters
    ----------
    plan : PlacePlan
        Of the network that gives the embeddings.
    intact : (N, D)
        Embeddings of all images: each image without a place is compared with the others as
        they are.
    human : (N, N)
        Dissimilarities; NaN where a pair was not judged.
    partner : (N,)
        Number of the image that each is paired with; -1 for none.
    measure : str
        Of the agreement of two rows.
    places : PlacesConfig
    choices : Choices, optional
        Among three of the images, whose share that is predicted has maps too.
    sharpness : float
        As of `TripletScores`.
    """

    plan: PlacePlan
    intact: Array
    human: Array
    partner: NDArray[np.intp]
    measure: str
    places: PlacesConfig
    choices: Choices | None = None
    sharpness: float = float("nan")

    def of_batch(self, pixels: torch.Tensor, start: int) -> dict[str, Array]:
        """Maps (n, h, w) of the images from number `start` on, which `pixels` holds.

        `alignment_place` says what each place adds to the agreement of the image's row with
        people, `pair_place` what it adds to the similarity with the image's partner.
        """
        ablation = self.plan(pixels, replace=self.places.replace)
        output = ablation.output.cpu().numpy()
        removed = ablation.removed.cpu().numpy()  # (n, h, w, D)
        embeddings = self.intact.copy()
        alignment, pairs, triplets = [], [], []
        for image, (own, without) in enumerate(zip(output, removed, strict=True), start):
            # From the same pass as what is compared with it, so that no effect is exactly zero.
            embeddings[image] = own
            flat = without.reshape(-1, without.shape[-1])
            found = place_alignment(embeddings, self.human, image, flat, measure=self.measure)
            alignment.append(found.reshape(self.plan.shape))
            pairs.append(self._pair(image, own, flat).reshape(self.plan.shape))
            if self.choices is not None:
                shares = place_triplets(embeddings, self.choices, image, flat, self.sharpness)
                triplets.append(np.stack(shares).reshape(2, *self.plan.shape))
        maps = {"alignment_place": np.stack(alignment), "pair_place": np.stack(pairs)}
        if triplets:
            share, likelihood = np.stack(triplets, axis=1)
            maps |= {"triplet_place": share, "triplet_likelihood_place": likelihood}
        return maps

    def _pair(self, image: int, own: Array, without: Array) -> Array:
        partner = self.partner[image]
        if partner < 0:
            return np.full(len(without), np.nan)
        return pair_places(without, own, self.intact[partner])
