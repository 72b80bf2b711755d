"""From fitted heads to channel scores and maps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of
from aisthesis.engine.maps_store import DIMENSIONS, IMAGES_A_CHUNK, MapsWriter, group_key
from aisthesis.heads import RatingEnsemble, load_head
from aisthesis.images import batches
from aisthesis.importance import AblationPlan, ablation_plan, evidence_scores, importance_scores
from aisthesis.maps import activation_map, weighted_map, z_score
from aisthesis.pipeline.boxes import crop_boxes
from aisthesis.pipeline.catalogue import build
from aisthesis.pipeline.devices import choose_device
from aisthesis.pipeline.inputs import Inputs

__all__ = [
    "explain_backbones",
    "explain_batch",
    "explain_key",
    "explained_images",
    "in_units",
    "plan_for",
]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 1

Arrays = dict[str, NDArray[Any]]


def explained_images(config: StudyConfig, inputs: Inputs) -> NDArray[np.intp]:
    """Indices of the images that get maps."""
    if config.explain == "all":
        return np.arange(len(inputs.names))
    return inputs.indices(inputs.splits[0].test)


def explain_key(config: StudyConfig, asked: BackboneConfig, fitted: str, inputs: Inputs) -> str:
    """Digest of all that a backbone's maps depend on."""
    return digest_of(_CODE, fitted, config.explain, asked.model_dump(mode="json"), inputs.digest)


def explain_backbones(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, fitted: str, narrator: Narrator
) -> None:
    """Score every channel of every backbone's layer and write `maps.zarr`.

    A backbone whose group is finished under the same key is left as it is.
    """
    for asked in config.backbones:
        key = explain_key(config, asked, fitted, inputs)
        if group_key(folder.maps, asked.label) == key:
            narrator.say(f"{asked.label}: maps are already there")
            continue
        backbone = build(asked, weights_dir=config.weights_dir, seed=config.seed)
        if backbone.layer is None:
            narrator.say(f"{asked.label} predicts only: it has no layer to explain")
            continue
        _explain(folder, config, inputs, asked, backbone, key, narrator)


def _explain(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    backbone: Backbone,
    key: str,
    narrator: Narrator,
) -> None:
    started = time.perf_counter()
    device = choose_device(config.device)
    seeds = [split.fit_seed for split in inputs.splits]
    heads = [load_head(folder.head_file(asked.label, seed))[0] for seed in seeds]
    model = RatingEnsemble(backbone.trunk, heads).to(device)
    plan = plan_for(backbone, model)
    chosen = explained_images(config, inputs)
    names = [inputs.names[i] for i in chosen]
    narrator.say(_announcement(asked.label, backbone, plan, model, len(names), device))
    flat = {"ais": 0, "evidence": 0}
    attributes = {"layer": backbone.layer, "network": backbone.network, "key": key}
    coordinates = {"seed": seeds, "image": names} | crop_boxes(
        inputs.sizes, backbone.transform, names
    )
    with (
        MapsWriter(folder.maps, asked.label, coordinates, attributes) as writer,
        narrator.steps(f"{asked.label}: maps", len(names)) as advance,
    ):
        for start, arrays in _chunks(config, inputs, backbone, plan, chosen, device):
            writer.write(start, arrays)
            for kind in flat:
                mean_maps = torch.from_numpy(arrays[kind]).mean(0)
                defined = torch.isfinite(mean_maps).flatten(1).all(1)
                flat[kind] += int(z_score(mean_maps[defined])[1].sum()) if defined.any() else 0
            advance(arrays["activation"].shape[0])
    record = folder.provenance()["backbones"].get(asked.label, {})
    record["ablation"] = {"plan": plan_in_words(plan), "forward_passes": plan.passes}
    record["flat_maps"] = flat
    record["explain_seconds"] = round(time.perf_counter() - started, 2)
    folder.record(backbones={asked.label: record})


def plan_for(backbone: Backbone, model: RatingEnsemble) -> AblationPlan:
    """Find how the channels of the backbone's layer are removed from heads on its trunk."""
    side = backbone.input_px
    return ablation_plan(
        model,
        f"trunk.{backbone.trunk_layer}",
        torch.zeros(1, 3, side, side, device=backbone.device),
        channel_axis=backbone.layout.channel_axis if backbone.layout else None,
    )


def plan_in_words(plan: AblationPlan) -> str:
    """Describe a plan in the backbone's own layer names."""
    return plan.describe().replace("trunk.module.", "")


def _announcement(
    label: str,
    backbone: Backbone,
    plan: AblationPlan,
    model: torch.nn.Module,
    n_images: int,
    device: torch.device,
) -> str:
    """Say which way is taken and, from one timed forward pass, how long it will take."""
    side = backbone.input_px
    image = torch.zeros(1, 3, side, side, device=device)
    with torch.no_grad():
        model(image)
        started = time.perf_counter()
        model(image).sum().item()
        seconds = (time.perf_counter() - started) * plan.passes * n_images
    return f"{label}: {plan_in_words(plan)} {n_images} images, expected {in_units(seconds)}."


def in_units(seconds: float) -> str:
    """Say a duration as people would."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@torch.no_grad()
def _chunks(
    config: StudyConfig,
    inputs: Inputs,
    backbone: Backbone,
    plan: AblationPlan,
    chosen: NDArray[np.intp],
    device: torch.device,
) -> Iterator[tuple[int, Arrays]]:
    """Yield (number of the first image, arrays) of as many images as the store keeps in a chunk."""
    for start in range(0, len(chosen), IMAGES_A_CHUNK):
        index = chosen[start : start + IMAGES_A_CHUNK]
        names = [inputs.names[i] for i in index]
        parts: list[Arrays] = []
        done = 0
        for batch in batches(inputs.folder, names, backbone.transform, config.batch_size):
            rating = inputs.rating[index[done : done + len(batch.names)]]
            parts.append(
                explain_batch(backbone, plan, batch.pixels.to(device), torch.from_numpy(rating))
            )
            done += len(batch.names)
        yield (
            start,
            {
                name: np.concatenate(
                    [part[name] for part in parts], axis=DIMENSIONS[name].index("image")
                )
                for name in parts[0]
            },
        )


def explain_batch(
    backbone: Backbone, plan: AblationPlan, pixels: torch.Tensor, rating: torch.Tensor
) -> Arrays:
    """Scores (seed, image, channel) and maps (seed, image, y, x) of one batch, in rating units."""
    ablation = plan(pixels)
    delta = ablation.delta  # (image, channel, seed)
    importance = importance_scores(ablation.output, delta, rating.to(delta)).movedim(2, 0)
    evidence = evidence_scores(delta).movedim(2, 0)
    activation = backbone.to_map(ablation.activation).double()
    arrays = {
        "ais": weighted_map(importance, activation),
        "evidence": weighted_map(evidence, activation),
        "importance": importance,
        "delta_prediction": delta.movedim(2, 0),
        "activation": activation_map(activation),
    }
    return {name: tensor.float().cpu().numpy() for name, tensor in arrays.items()}
