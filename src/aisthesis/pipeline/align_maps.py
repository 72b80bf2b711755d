"""Heatmaps of what makes an image compare to the others as people compare it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.alignment_config import AlignmentConfig
from aisthesis.backbones import Backbone
from aisthesis.engine import Narrator
from aisthesis.engine.alignment_folder import AlignmentFolder
from aisthesis.engine.maps_store import IMAGES_A_CHUNK, MapsWriter
from aisthesis.images import batches
from aisthesis.importance import AblationPlan, relu_follows
from aisthesis.judgments import nearest
from aisthesis.maps import activation_map, alignment_map
from aisthesis.pipeline.align import Aligned
from aisthesis.pipeline.align_inputs import AlignmentInputs
from aisthesis.pipeline.align_places import PlaceMaps, embedding_place_plan
from aisthesis.pipeline.boxes import crop_boxes

__all__ = ["ALIGNMENT_ARRAYS", "write_alignment_maps"]

ALIGNMENT_ARRAYS = {
    "alignment": (
        ("image", "y", "x"),
        "activation weighted by each channel's share of the positive alignment importance",
    ),
    "alignment_place": (
        ("image", "y", "x"),
        "agreement of the image's similarities with people minus that without the place",
    ),
    "pair_place": (
        ("image", "y", "x"),
        "similarity (correlation) with the image's partner minus that without the place",
    ),
    "importance": (
        ("image", "channel"),
        "agreement of the image's similarities with people minus that without the channel",
    ),
    "activation": (("image", "y", "x"), "mean of the layer's activations over channels"),
}

#: Where choices among three images were judged.
TRIPLET_ARRAYS = {
    "triplet_place": (
        ("image", "y", "x"),
        "share of the image's choices that similarities predict minus that without the place",
    ),
    "triplet_likelihood_place": (
        ("image", "y", "x"),
        "mean log-likelihood of the image's choices minus that without the place, in nats",
    ),
}

Arrays = dict[str, NDArray[Any]]


@torch.no_grad()
def write_alignment_maps(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    backbone: Backbone,
    plan: AblationPlan,
    result: Aligned,
    key: str,
    narrator: Narrator,
) -> dict[str, Any]:
    """Write a backbone's group of `maps.zarr`; give what the record says of them.

    Returns
    -------
    dict
        Numbers of images without a map of each kind, whether the layer is rectified, and how
        places were removed.
    """
    names, label = inputs.names, result.label
    removed = embedding_place_plan(backbone, config.places.window, inputs.folder)
    partner = nearest(inputs.human)
    places = PlaceMaps(
        removed, result.embeddings, inputs.human, partner, config.measure, config.places,
        inputs.choices, float("nan") if result.triplets is None else result.triplets.sharpness,
    )  # fmt: skip
    narrator.say(f"{label}: {places.record['plan']}")
    rectified = relu_follows(backbone.trunk, str(backbone.trunk_layer))
    attributes = {
        "layer": backbone.layer,
        "network": backbone.network,
        "key": key,
        "rectified": rectified,
        "window": removed.window,
        "replace": config.places.replace,
    }
    arrays = ALIGNMENT_ARRAYS | (TRIPLET_ARRAYS if inputs.choices is not None else {})
    partners = [names[k] if k >= 0 else "" for k in partner]
    coordinates: dict[str, Any] = {"image": names, "partner": partners}
    coordinates |= crop_boxes(inputs.sizes, backbone.transform, names)
    undefined = dict.fromkeys(("alignment", "alignment_place"), 0)
    with (
        MapsWriter(folder.maps, label, coordinates, attributes, arrays) as writer,
        narrator.steps(f"{label}: maps", len(names)) as advance,
    ):
        for start in range(0, len(names), IMAGES_A_CHUNK):
            some = names[start : start + IMAGES_A_CHUNK]
            parts: list[Arrays] = []
            done = start
            for batch in batches(inputs.folder, some, backbone.transform, config.batch_size):
                pixels = batch.pixels.to(backbone.device)
                scores = result.scores.image[done : done + len(pixels)]
                by_channel = _by_channel(backbone, plan, pixels, scores, rectified)
                parts.append(by_channel | places.of_batch(pixels, done))
                done += len(pixels)
                advance(len(pixels))
            chunk = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            for name in undefined:
                undefined[name] += int(np.isnan(chunk[name]).any((1, 2)).sum())
            writer.write(start, chunk)
    return {
        "images_without_map": undefined["alignment"],
        "images_without_place_map": undefined["alignment_place"],
        "rectified": rectified,
        "places": places.record,
    }


def _by_channel(
    backbone: Backbone,
    plan: AblationPlan,
    pixels: torch.Tensor,
    scores: NDArray[np.float64],
    rectified: bool,
) -> Arrays:
    """The map weighted by channels' scores (n, C); of the layer after its ReLU if one follows."""
    # No set of channels: the layer's output alone is wanted.
    output = plan(pixels, groups=np.zeros((0, plan.channels), dtype=bool)).activation
    activation = backbone.to_map(output).double().cpu()
    weighted = activation.clamp(min=0) if rectified else activation
    return {
        "alignment": alignment_map(torch.from_numpy(scores), weighted).numpy(),
        "importance": scores,
        "activation": activation_map(activation).numpy(),
    }
