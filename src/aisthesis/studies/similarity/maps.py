"""Heatmaps of what makes an image compare to the others as people compare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.ablation.places.plan import PlacePlan
from aisthesis.ablation.plan import AblationPlan
from aisthesis.ablation.signs import relu_follows
from aisthesis.backbones import Backbone
from aisthesis.config import AlignmentConfig
from aisthesis.execution.jobs import (
    Chunk,
    Executor,
    Task,
    in_chunks,
    in_groups,
    loaded_for,
    share_out,
)
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import ImageFolder
from aisthesis.judgments.similarity.nearest import nearest
from aisthesis.judgments.similarity.triplet_shares import Choices
from aisthesis.maps.weighting import activation_map, alignment_map
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.alignment_folder import AlignmentFolder
from aisthesis.store.chunk_store import ArraySpec, ChunkStore
from aisthesis.store.folder import digest_of
from aisthesis.store.map_axes import map_axes
from aisthesis.store.maps_store import IMAGES_A_CHUNK
from aisthesis.studies.shared.boxes import crop_boxes
from aisthesis.studies.shared.network import NetworkSpec, pixels_of
from aisthesis.studies.similarity.align import AlignedNetwork, align_dependencies
from aisthesis.studies.similarity.inputs import AlignmentInputs
from aisthesis.studies.similarity.kept import SHARPNESS
from aisthesis.studies.similarity.places import PlaceMaps, embedding_place_plan, removal_record

__all__ = ["ALIGNMENT_ARRAYS", "MAPS_RECORD", "alignment_store", "map_alignment"]

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
#: What the record says of a backbone's maps: the counts of images without one, and how.
MAPS_RECORD = {"images_without_map", "images_without_place_map", "rectified", "places"}

Arrays = dict[str, NDArray[Any]]


def alignment_store(
    config: AlignmentConfig, inputs: AlignmentInputs, spec: NetworkSpec
) -> ChunkStore:
    """Where a backbone's maps are."""
    dependencies = align_dependencies(config, inputs, spec) | code_dependencies(
        "the maps", __name__
    )
    return ChunkStore(config.out, spec.group, dependencies, IMAGES_A_CHUNK)


@dataclass(frozen=True)
class _Removal:
    """A network with how its channels and its places are removed."""

    backbone: Backbone
    channels: AblationPlan
    places: PlacePlan

    @cached_property
    def rectified(self) -> bool:
        """Whether the layer is read through a ReLU alone."""
        return relu_follows(self.backbone.trunk, str(self.backbone.trunk_layer))


@dataclass(frozen=True)
class _MapsJob(AlignedNetwork):
    """Makes one backbone's maps out of what is kept of its scores."""

    config: AlignmentConfig
    store: ChunkStore
    choices: Choices | None

    @property
    def identity(self) -> str:
        """Equal where network, window and images are."""
        return digest_of("alignment maps", self.spec.identity, self.store.key)

    def load(self) -> _Removal:  # type: ignore[override]
        """Build the network and find how channels and places are removed."""
        backbone, plan = super().load()
        folder = ImageFolder(self.spec.images)
        places = embedding_place_plan(backbone, self.config.places.window, folder)
        return _Removal(backbone, plan, places)

    @torch.no_grad()
    def work(self, loaded: _Removal, chunk: Chunk) -> None:
        """Write the maps of one chunk."""
        done = chunk.number * self.store.chunk
        kept = AlignmentFolder(self.spec.root).aligned(self.spec.label)
        with np.load(kept, allow_pickle=False) as held:
            scores, intact, human = held["image"], held["embeddings"], held["human"]
            sharpness = float(held.get(SHARPNESS, float("nan")))
        places = PlaceMaps(
            loaded.places, intact, human, nearest(human), self.config.measure, self.config.places,
            self.choices, sharpness,
        )  # fmt: skip
        parts: list[Arrays] = []
        for pixels, _ in pixels_of(self.spec, loaded.backbone.transform, chunk):
            by_channel = _by_channel(loaded, pixels, scores[done : done + len(pixels)])
            parts.append(by_channel | places.of_batch(pixels, done))
            done += len(pixels)
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        undefined = {
            name: int(np.isnan(arrays[name]).any((1, 2)).sum())
            for name in ("alignment", "alignment_place")
        }
        self.store.write(chunk.number, arrays, undefined=undefined)


def map_alignment(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    specs: Mapping[str, NetworkSpec],
    executor: Executor,
    reporter: ProgressReporter,
) -> bool:
    """Make every backbone's maps that are not there yet and record how they came about.

    Says whether any was not.
    """
    n = len(inputs.names)
    chunks = in_chunks(inputs.names, inputs.digests, IMAGES_A_CHUNK)
    missing = []
    for label, spec in specs.items():
        store = alignment_store(config, inputs, spec)
        numbers = store.missing(n)
        told = set(folder.backbone_record(label)) >= MAPS_RECORD
        if numbers or not (store.complete and told):
            job = _MapsJob(spec, config, store, inputs.choices)
            missing.append((job, [chunks[k] for k in numbers]))
        else:
            reporter.say(f"{label}: maps are already there")
    for group in in_groups(missing, pooled=executor.pooled):
        facts = [_prepare(inputs, job, reporter) for job, _ in group]
        title = group[0][0].spec.label if len(group) == 1 else f"{len(group)} backbones"
        tasks = [Task(job, chunk) for job, some in group for chunk in some]
        share_out(tasks, f"{title}: maps", executor, reporter)
        for (job, _), known in zip(group, facts, strict=True):
            job.store.finish()
            _record(folder, job, n, known)
    return bool(missing)


def _prepare(inputs: AlignmentInputs, job: _MapsJob, reporter: ProgressReporter) -> dict[str, Any]:
    """Say how places are removed, make the empty arrays of a group, and give what is recorded."""
    loaded = loaded_for(job)
    backbone, names = loaded.backbone, inputs.names
    places, label = removal_record(loaded.places, job.config.places), job.spec.label
    reporter.say(f"{label}: {places['plan']}")
    # Backbones without a layer are refused before any work.
    channels, rows, columns = backbone.map_shape or (0, 0, 0)
    lengths = {"image": len(names), "channel": channels, "y": rows, "x": columns}
    described = ALIGNMENT_ARRAYS | (TRIPLET_ARRAYS if inputs.choices is not None else {})
    arrays = {
        name: ArraySpec(tuple((axis, lengths[axis]) for axis in axes), words)
        for name, (axes, words) in described.items()
    }
    partners = [names[k] if k >= 0 else "" for k in nearest(inputs.human)]
    coordinates: dict[str, Any] = {"image": names, "partner": partners}
    coordinates |= crop_boxes(inputs.sizes, backbone.transform, names)
    coordinates |= map_axes(coordinates, rows, columns, backbone.input_size_px)
    attributes = {
        "backbone": label,
        "layer": backbone.layer,
        "network": backbone.network,
        "rectified": loaded.rectified,
        "window": places["window"],
        "replace": places["replace"],
    }
    job.store.prepare(arrays, coordinates, attributes)
    return {"rectified": loaded.rectified, "places": places}


def _record(folder: AlignmentFolder, job: _MapsJob, n: int, known: dict[str, Any]) -> None:
    undefined = [note.get("undefined", {}) for note in job.store.notes(n)]
    counts = {
        "images_without_map": sum(one.get("alignment", 0) for one in undefined),
        "images_without_place_map": sum(one.get("alignment_place", 0) for one in undefined),
    }
    held = folder.backbone_record(job.spec.label)
    folder.record(backbones={job.spec.label: {**held, **known, **counts}})


def _by_channel(loaded: _Removal, pixels: torch.Tensor, scores: NDArray[np.float64]) -> Arrays:
    """The map weighted by channels' scores (n, C); of the layer after its ReLU if one follows."""
    plan = loaded.channels
    # No set of channels: the layer's output alone is wanted.
    output = plan(pixels, groups=np.zeros((0, plan.channels), dtype=bool)).activation
    activation = loaded.backbone.to_map(output).double().cpu()
    weighted = activation.clamp(min=0) if loaded.rectified else activation
    return {
        "alignment": alignment_map(torch.from_numpy(scores), weighted).numpy(),
        "importance": scores,
        "activation": activation_map(activation).numpy(),
    }
