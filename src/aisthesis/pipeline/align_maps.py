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
from aisthesis.importance import AblationPlan
from aisthesis.maps import activation_map, alignment_map
from aisthesis.pipeline.align_inputs import AlignmentInputs
from aisthesis.pipeline.boxes import crop_boxes

__all__ = ["ALIGNMENT_ARRAYS", "write_alignment_maps"]

ALIGNMENT_ARRAYS = {
    "alignment": (
        ("image", "y", "x"),
        "activation weighted by each channel's share of the positive alignment importance",
    ),
    "importance": (
        ("image", "channel"),
        "agreement of the image's similarities with people minus that without the channel",
    ),
    "activation": (("image", "y", "x"), "mean of the layer's activations over channels"),
}


@torch.no_grad()
def write_alignment_maps(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    backbone: Backbone,
    plan: AblationPlan,
    importance: NDArray[np.float64],
    label: str,
    key: str,
    narrator: Narrator,
) -> int:
    """Write a backbone's group of `maps.zarr`; give the number of images without a map.

    Parameters
    ----------
    importance : (N, C)
        AIS of each channel in each image.
    """
    device = next(backbone.trunk.parameters()).device
    names = inputs.names
    attributes = {"layer": backbone.layer, "network": backbone.network, "key": key}
    coordinates: dict[str, Any] = {"image": names}
    coordinates |= crop_boxes(inputs.sizes, backbone.transform, names)
    # No set of channels: the layer's output alone is wanted.
    nothing = np.zeros((0, plan.channels), dtype=bool)
    undefined = 0
    with (
        MapsWriter(folder.maps, label, coordinates, attributes, ALIGNMENT_ARRAYS) as writer,
        narrator.steps(f"{label}: maps", len(names)) as advance,
    ):
        for start in range(0, len(names), IMAGES_A_CHUNK):
            some = names[start : start + IMAGES_A_CHUNK]
            parts: list[dict[str, NDArray[Any]]] = []
            done = start
            for batch in batches(inputs.folder, some, backbone.transform, config.batch_size):
                output = plan(batch.pixels.to(device), groups=nothing).activation
                activation = backbone.to_map(output).double().cpu()
                scores = importance[done : done + len(batch.names)]
                parts.append(
                    {
                        "alignment": alignment_map(torch.from_numpy(scores), activation).numpy(),
                        "importance": scores,
                        "activation": activation_map(activation).numpy(),
                    }
                )
                done += len(batch.names)
                advance(len(batch.names))
            chunk = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            undefined += int(np.isnan(chunk["alignment"]).any((1, 2)).sum())
            writer.write(start, chunk)
    return undefined
